//go:build !linux

package feature

func huge[T any]([]T) {}
