/**
 * Sizes of libp2p's pubsub frames, estimated from the fields of its protobuf: no frame is encoded.
 *
 * A field is a tag byte, its length (one byte below 128, else two) and its content. Assumed: Ed25519 peers, whose id of 38
 * bytes contains the key, so that no key is sent; the default message id, which is the author's id and the seq; StrictSign;
 * a topic name of 16 bytes, which is short, in gossipsub's favour. Left out, in its favour as well: what Noise and a stream
 * muxer add to each frame.
 */

const PEER_ID_BYTES = 38
const SEQ_BYTES = 8
const SIGNATURE_BYTES = 64
const TOPIC_BYTES = 16
const MESSAGE_ID_BYTES = PEER_ID_BYTES + SEQ_BYTES

const field = (bytes: number): number => 1 + (bytes < 128 ? 1 : 2) + bytes
/** A frame on the stream: its length, then the RPC. */
const frame = (bytes: number): number => (bytes < 128 ? 1 : 2) + bytes
/** RPC.control with one control message in it. */
const control = (bytes: number): number => frame(field(field(bytes)))

/** What a published message adds to a payload of less than 128 bytes; larger ones need up to 3 bytes more. */
export const PAYLOAD_OVERHEAD_BYTES = frame(
  field(field(PEER_ID_BYTES) + field(0) + field(SEQ_BYTES) + field(TOPIC_BYTES) + field(SIGNATURE_BYTES))
)

/** IHAVE with that many ids. */
export const ihaveBytes = (ids: number): number => control(field(TOPIC_BYTES) + ids * field(MESSAGE_ID_BYTES))

/** IWANT with that many ids. */
export const iwantBytes = (ids: number): number => control(ids * field(MESSAGE_ID_BYTES))

/** GRAFT of one topic. */
export const GRAFT_BYTES = control(field(TOPIC_BYTES))

/** PRUNE of one topic, with its back-off in seconds (a varint of one byte). */
export const PRUNE_BYTES = control(field(TOPIC_BYTES) + 2)
