package cluster

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const secret = "x hunter2 y"

// What a controller or a plugin says in a status may hold anything: no message of any kind
// gets through unmasked.
func TestMessagesOfAllKindsAreMasked(t *testing.T) {
	messages := 0
	for _, k := range Kinds() {
		o := k.New()
		if u, ok := o.(*unstructured.Unstructured); ok {
			u.Object["status"] = map[string]any{"conditions": []any{map[string]any{"message": secret}}, "note": secret}
			u.Object["spec"] = map[string]any{"url": secret}
			messages++
		} else if status := reflect.ValueOf(o).Elem().FieldByName("Status"); status.IsValid() {
			messages += fillMessages(status, 6)
		}
		o.SetName("x")
		b := NewBuilder(Info{CapturedAt: t0})
		b.Redactor = starring{}
		b.Add(o)
		if text := gunzip(t, write(t, b.Build())); strings.Contains(text, "hunter2") {
			t.Errorf("%s: not masked: %s", k.Kind, text)
		}
	}
	if messages < 20 {
		t.Errorf("only %d messages were tried", messages)
	}
}

// fillMessages sets each text called Message below v, through lists and pointers, and
// returns how many there are.
func fillMessages(v reflect.Value, depth int) (n int) {
	if depth == 0 {
		return 0
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if n = fillMessages(fresh.Elem(), depth-1); n > 0 {
			v.Set(fresh)
		}
	case reflect.Slice:
		one := reflect.MakeSlice(v.Type(), 1, 1)
		if n = fillMessages(one.Index(0), depth-1); n > 0 {
			v.Set(one)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			switch {
			case !v.Type().Field(i).IsExported():
			case field.Kind() == reflect.String && v.Type().Field(i).Name == "Message":
				field.SetString(secret)
				n++
			default:
				n += fillMessages(field, depth-1)
			}
		}
	}
	return n
}
