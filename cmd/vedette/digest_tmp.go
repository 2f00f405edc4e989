package main

import "vedette/record/journal"

type tmpDigester struct{}

func newDigester() *tmpDigester         { return &tmpDigester{} }
func (*tmpDigester) Add(*journal.Entry) {}
func (*tmpDigester) Sum() string        { return "" }
