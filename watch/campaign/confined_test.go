package campaign

import (
	"fmt"
	"slices"
	"testing"
)

func TestWhatMostlyOthersSendLeadsToNobody(t *testing.T) {
	p := newPlatform(t)
	for i := range 12 { // few enough to be in history
		p.send(fmt.Sprint("reader ", i+1), fmt.Sprint("friend ", i+1), fmt.Sprintf("https://small-paper.example/story-%d", i))
	}
	// Two of the operator's accounts try a message with the same paper first, then with a site of their own.
	p.send("op1", "op2", "https://small-paper.example/story-3")
	p.send("op2", "op1", "https://small-paper.example/story-4")
	p.send("op1", "t1", "https://evil.example/a")
	p.send("op2", "t2", "https://evil.example/b")
	p.send("op1", "t3", "https://second.example/a")
	p.send("op2", "t4", "https://second.example/b")
	seed := p.send("op1", "t5", "https://evil.example/c")
	g := draw(t, p.incident(seed), p.play(), Budget{})
	names := append(append(numbered("reader ", 12), numbered("friend ", 12)...), "t1", "t2", "t3", "t4", "t5", "op1", "op2")
	if got, want := who(g, RoleTarget, names), []string{"t1", "t2", "t3", "t4", "t5"}; !slices.Equal(got, want) {
		t.Errorf("targets %v, want %v", got, want)
	}
	if got, want := who(g, RoleSender, names), []string{"op1", "op2"}; !slices.Equal(got, want) {
		t.Errorf("senders %v, want %v: the paper's readers were drawn in", got, want)
	}
}
