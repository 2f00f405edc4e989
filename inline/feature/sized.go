package feature

import "time"

// defaultMebibytes is about what a memory of the default capacities takes.
const defaultMebibytes = 256

// Sized returns a configuration that takes about so many MiB: the default capacities, scaled. An actor's last account.seen stands in for an
// hour for the device and network of events that name none, which is as far as a coalesced one reaches.
func Sized(mebibytes int) Config {
	c := Config{Carry: time.Hour}.withDefaults()
	for _, n := range []*int{&c.Accounts, &c.Pairs, &c.Domains, &c.Hosts, &c.URLs, &c.Devices, &c.Networks, &c.SenderDomains} {
		*n = max(1024, int(int64(*n)*int64(mebibytes)/defaultMebibytes))
	}
	return c
}
