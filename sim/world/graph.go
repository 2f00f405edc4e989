package world

// graph is a real conversation that takes the place of made-up talk.
type graph struct{}

func (w *World) openFile() error { return nil }

func (g *graph) reset(*World) {}

func (g *graph) play(*World) {}
