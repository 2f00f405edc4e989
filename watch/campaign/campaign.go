// Package campaign draws what hangs together around an incident: accounts, groups, devices, networks, links, hosts, cells, reports, indicators.
//
// In:     an incident of a case, a permit, the journal and history within a window, imported facts.
// Out:    a bounded graph, the same for the same input, as JSON, GraphML and SVG, with people under labels.
// Keeps:  nothing.
// Fails:  a budget that runs out is told, with what was left out; never a free query over people.
// Source: docs/decisions/0017-campaign.md, docs/formats/campaign.md
package campaign
