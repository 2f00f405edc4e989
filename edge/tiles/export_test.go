package tiles

// Resource is resource.
var Resource = resource
