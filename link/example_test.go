package link_test

import (
	"fmt"

	"vedette/link"
)

func ExampleParse() {
	u, err := link.Parse("HTTPS://user@Login.%65vil.example:443/a/../b?c=d#e")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Canonical())
	fmt.Println(u.Host())
	fmt.Println(u.Registrable())
	fmt.Println(u.Defanged())
	// Output:
	// https://login.evil.example/b?c=d
	// login.evil.example
	// evil.example
	// hxxps://login[.]evil[.]example/b?c=d
}

func ExampleURL_Expressions() {
	u, _ := link.Parse("https://a.evil.example/b/c.html?d")
	for _, e := range u.Expressions() {
		fmt.Println(link.Sum(e).String()[:8], e)
	}
	// Output:
	// 0b5e4d0c a.evil.example/b/c.html?d
	// 25fca507 a.evil.example/b/c.html
	// a5792ddc a.evil.example/
	// 7e68b04b a.evil.example/b/
	// 61137318 evil.example/b/c.html?d
	// 50c26cf1 evil.example/b/c.html
	// f001957c evil.example/
	// 87ca9481 evil.example/b/
}

func ExampleURL_Display() {
	u, _ := link.Parse("https://p\u0430ypal.example/")
	d := u.Display()
	fmt.Println(u.Host())
	for _, m := range d.Marks {
		fmt.Printf("%U at %d %s: %s\n", m.Rune, m.At, m.Why, m.Looks)
	}
	fmt.Println(d.Skeleton == link.Skeleton("paypal.example"))
	// Output:
	// xn--pypal-4ve.example
	// U+0430 at 9 looks like another character: a
	// true
}

func ExampleURL_HostTenant() {
	for _, raw := range []string{"https://docs.google.com/forms/d/e/1FAIpQL/viewform", "https://someone.github.io/a", "https://evil.example/a"} {
		u, _ := link.Parse(raw)
		fmt.Printf("%q\n", u.HostTenant())
	}
	// Output:
	// "docs.google.com/1FAIpQL"
	// "someone.github.io"
	// ""
}

func ExampleRefang() {
	u, _ := link.Parse(link.Refang("hxxps://evil[.]example/a"))
	fmt.Println(u.Canonical())
	// Output: https://evil.example/a
}
