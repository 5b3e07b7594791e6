package main

import "testing"

func TestScenariosAreValid(t *testing.T) {
	shared, alone, err := scenarios("../../scenarios", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(shared) == 0 || len(alone) == 0 {
		t.Fatalf("%d scenarios at once, %d alone: nothing was read", len(shared), len(alone))
	}
}
