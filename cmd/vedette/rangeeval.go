package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (g *global) rangeEvaluate() *cobra.Command { return &cobra.Command{Use: "evaluate", Hidden: true} }

var _ = fmt.Sprint
var _ io.Writer
