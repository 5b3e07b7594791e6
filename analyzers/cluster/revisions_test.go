package cluster

import (
	"testing"
)

func TestRevisions(t *testing.T) {
	b := NewBuilder(Info{})
	for _, text := range []string{
		`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db","namespace":"shop","uid":"db"}}`,
		`{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"db-a","namespace":"shop","ownerReferences":[{"kind":"StatefulSet","name":"db","uid":"db","controller":true}]},
			"revision":1,"data":{"spec":{"template":{"$patch":"replace","spec":{"containers":[{"name":"db","image":"db:1"}]}}}}}`,
		`{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"db-b","namespace":"shop","ownerReferences":[{"kind":"StatefulSet","name":"db","uid":"db","controller":true}]},
			"revision":2,"data":{"spec":{"template":{"$patch":"replace","spec":{"containers":[{"name":"db","image":"db:2"}]}}}}}`,
		`{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"db-c","namespace":"shop","ownerReferences":[{"kind":"StatefulSet","name":"db","uid":"db","controller":true}]},"revision":3}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"db-0","namespace":"shop","labels":{"controller-revision-hash":"db-a"},"ownerReferences":[{"kind":"StatefulSet","name":"db","uid":"db","controller":true}]},
			"status":{"conditions":[{"type":"Ready","status":"True"}]}}`,
	} {
		o, err := DecodeObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b.Add(o)
	}
	s := b.Build()
	set, _ := s.Get(Ref{APIVersion: "apps/v1", Kind: "StatefulSet", Namespace: "shop", Name: "db"})
	got := s.Revisions(set)
	if len(got) != 2 || got[0].Template.Spec.Containers[0].Image != "db:2" || got[1].Number != 1 || got[0].Ready != 0 || got[1].Ready != 1 {
		t.Errorf("got %+v", got)
	}
}
