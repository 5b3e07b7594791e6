package kube

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// magic starts each message in protobuf
// (k8s.io/apimachinery pkg/runtime/serializer/protobuf/protobuf.go).
var magic = []byte("k8s\x00")

var errDamaged = errors.New("the answer is damaged")

type envelope struct {
	runtime.TypeMeta
	Raw []byte // not copied: valid as long as the body it was read from
}

// unwrap reads the envelope runtime.Unknown {1: type, 2: raw} without the copy that
// its own Unmarshal makes.
func unwrap(body []byte) (envelope, error) {
	var e envelope
	data, ok := bytes.CutPrefix(body, magic)
	if !ok {
		return e, errDamaged
	}
	err := fields(data, func(number int, value []byte) error {
		switch number {
		case 1:
			return fields(value, func(number int, value []byte) error {
				switch number {
				case 1:
					e.APIVersion = string(value)
				case 2:
					e.Kind = string(value)
				}
				return nil
			})
		case 2:
			e.Raw = value
		}
		return nil
	})
	return e, err
}

// fields calls f with each length-delimited field of a protobuf message.
func fields(data []byte, f func(number int, value []byte) error) error {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return errDamaged
		}
		data = data[n:]
		switch tag & 7 {
		case 0: // varint
			_, n := binary.Uvarint(data)
			if n <= 0 {
				return errDamaged
			}
			data = data[n:]
		case 2: // length-delimited
			size, n := binary.Uvarint(data)
			if n <= 0 || size > uint64(len(data)-n) {
				return errDamaged
			}
			if err := f(int(tag>>3), data[n:n+int(size)]); err != nil {
				return err
			}
			data = data[n+int(size):]
		case 1, 5: // 64 and 32 bits
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if len(data) < size {
				return errDamaged
			}
			data = data[size:]
		default:
			return errDamaged
		}
	}
	return nil
}

// A page is one answer to a list request.
type page struct {
	objects []cluster.Object
	next    string // where to continue, or ""
}

// decodePage reads a list, object by object, and trims each before the next is read.
// All lists of Kubernetes have the fields {1: metadata, 2: items}
// (k8s.io/apimachinery pkg/runtime/serializer/protobuf/collections.go).
func decodePage(k cluster.Kind, mediaType string, body []byte, parts *sharer) (page, error) {
	var p page
	apiVersion, kind := listType(k)
	if mediaType != protobuf {
		return decodeJSON(k, body, parts)
	}
	e, err := unwrap(body)
	if err != nil {
		return p, err
	}
	if e.APIVersion != apiVersion || e.Kind != kind {
		return p, fmt.Errorf("the answer is a %s, not a %s", plain(e.Kind), kind)
	}
	err = fields(e.Raw, func(number int, value []byte) error {
		switch number {
		case 1:
			var meta metav1.ListMeta
			if err := meta.Unmarshal(value); err != nil {
				return err
			}
			p.next = meta.Continue
		case 2:
			o, err := decodeItem(k, func(into any) error {
				m, ok := into.(interface{ Unmarshal([]byte) error })
				if !ok {
					return fmt.Errorf("%T has no protobuf form", into)
				}
				return m.Unmarshal(value)
			})
			if err != nil {
				return err
			}
			parts.object(o)
			p.objects = append(p.objects, o)
		}
		return nil
	})
	return p, err
}

// decodeOne reads a single object.
func decodeOne(k cluster.Kind, mediaType string, body []byte) (cluster.Object, error) {
	if mediaType != protobuf {
		return decodeItem(k, func(into any) error { return json.Unmarshal(body, into) })
	}
	e, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	return decodeItem(k, func(into any) error { return into.(interface{ Unmarshal([]byte) error }).Unmarshal(e.Raw) })
}

// decodeJSON serves proxies in front of an API server that speak nothing else.
func decodeJSON(k cluster.Kind, body []byte, parts *sharer) (page, error) {
	var list struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ListMeta   `json:"metadata"`
		Items           []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return page{}, errNotJSON
	}
	apiVersion, kind := listType(k)
	if list.APIVersion != apiVersion || list.Kind != kind {
		return page{}, fmt.Errorf("the answer is a %q, not a %s", plain(list.Kind), kind)
	}
	p := page{next: list.Metadata.Continue}
	for _, item := range list.Items {
		o, err := decodeItem(k, func(into any) error { return json.Unmarshal(item, into) })
		if err != nil {
			return p, err
		}
		parts.object(o)
		p.objects = append(p.objects, o)
	}
	return p, nil
}

// listType is what the answer to a list of k must be. Secrets are only ever asked for as
// metadata, and an answer that holds more is refused unread.
func listType(k cluster.Kind) (apiVersion, kind string) {
	if k.GroupKind() == cluster.Secrets {
		return metav1.SchemeGroupVersion.String(), "PartialObjectMetadataList"
	}
	return k.GroupVersion().String(), k.Kind + "List"
}

func decodeItem(k cluster.Kind, decode func(into any) error) (cluster.Object, error) {
	o := k.New()
	if secret, ok := o.(*cluster.Secret); ok {
		var meta metav1.PartialObjectMetadata
		if err := decode(&meta); err != nil {
			return nil, err
		}
		secret.ObjectMeta = meta.ObjectMeta
	} else if u, ok := o.(*unstructured.Unstructured); ok {
		var raw json.RawMessage
		if err := decode(&raw); err != nil {
			return nil, err
		}
		if err := utiljson.Unmarshal(raw, &u.Object); err != nil {
			return nil, err
		}
		u.SetGroupVersionKind(k.GroupVersionKind) // the items of a list may come without
	} else if err := decode(o); err != nil {
		return nil, err
	}
	cluster.Trim(o)
	return o, nil
}

// accept is the Accept header for a list of k.
func accept(k cluster.Kind) string {
	if k.Custom() { // the server has no protobuf for them
		return "application/json"
	}
	if k.GroupKind() == cluster.Secrets {
		const as = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
		return protobuf + as + ",application/json" + as
	}
	return protobuf + ",application/json"
}
