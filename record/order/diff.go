package order

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Change is one difference between two orders. Was or Is is empty where there was, or is, nothing.
type Change struct {
	Where string `json:"where"`
	Was   string `json:"was,omitempty"`
	Is    string `json:"is,omitempty"`
}

// Diff tells what is different in b. Clauses, parties, exceptions and exclusions are compared by their ids, so that another order of them is no
// difference; everything else by its place.
func Diff(a, b *Order) (out []Change) {
	was, is := map[string]string{}, map[string]string{}
	flatten(reflect.ValueOf(a).Elem(), "", was)
	flatten(reflect.ValueOf(b).Elem(), "", is)
	for k, v := range was {
		if is[k] != v {
			out = append(out, Change{k, v, is[k]})
		}
	}
	for k, v := range is {
		if _, both := was[k]; !both {
			out = append(out, Change{k, "", v})
		}
	}
	slices.SortFunc(out, func(x, y Change) int { return cmp.Compare(x.Where, y.Where) })
	return out
}

func flatten(v reflect.Value, path string, into map[string]string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if v.Type() == momentType {
		if m := v.Interface().(Moment); !m.IsZero() {
			into[path] = m.String()
		} else if path != "date" {
			into[path] = "unknown"
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			sub := v.Type().Field(i).Tag.Get("yaml")
			if path != "" {
				sub = path + "." + sub
			}
			flatten(v.Field(i), sub, into)
		}
	case reflect.Slice:
		for i := range v.Len() {
			name := strconv.Itoa(i + 1)
			if e := v.Index(i); e.Kind() == reflect.Struct && e.FieldByName("ID").IsValid() {
				name = e.FieldByName("ID").String()
			}
			flatten(v.Index(i), path+"["+name+"]", into)
		}
	default:
		if s := fmt.Sprint(v.Interface()); s != "" {
			into[path] = s
		}
	}
}
