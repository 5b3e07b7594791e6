// Package images judges containers whose image cannot be had: cluster.ImageFault. The
// kubelet's words about the last pull decide which of the codes a container gets, and it
// gets one only. The image of the pod sandbox is another area.
package images
