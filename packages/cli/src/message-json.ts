/**
 * A message as the object that `--json` prints.
 */
import type { Message } from '@hearsay/gossip'

/** The fields in the order in which they are printed; the author is told by its id. */
export function messageJson({ topic, id, incarnation, seq, data, createdAt, hops }: Message): object {
  return { topic, author: id, incarnation, seq, data, createdAt, hops }
}
