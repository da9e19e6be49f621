/**
 * Cuts what an ITEMS has to tell into frames. A range whose shorts don't fit goes on in the next frame of the same turn.
 */
import type { DigestGroup, DigestLimits } from './digest-types.js'

/** Groups for each frame: at most `maxGroups`, with at most `maxSentShorts` shorts together. None is empty. */
export function splitGroups(
  groups: readonly DigestGroup[],
  limits: Pick<DigestLimits, 'maxGroups' | 'maxSentShorts'>
): DigestGroup[][] {
  const frames: DigestGroup[][] = []
  let frame: DigestGroup[] = []
  let room = limits.maxSentShorts
  const flush = () => {
    if (frame.length > 0) frames.push(frame)
    frame = []
    room = limits.maxSentShorts
  }
  for (const { depth, path, shorts } of groups) {
    let at = 0
    do {
      if (room === 0 || frame.length === limits.maxGroups) flush()
      const slice = shorts.slice(at, at + room)
      frame.push({ depth, path, shorts: slice })
      at += slice.length
      room -= slice.length
    } while (at < shorts.length)
  }
  flush()
  return frames
}
