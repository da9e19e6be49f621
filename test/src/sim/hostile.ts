/**
 * A member that lies: it knows the topic key, so its links are proven, and then it does what it likes with what it
 * passes on. It can't sign for others.
 */
import { type Batch, type OutFrame, SEND_FORWARD, type TopicEffect } from '@hearsay/gossip/core'
import type { Hits } from './faults.js'
import { EPOCH_MS, type SimNode } from './node.js'
import type { World } from './world.js'

type Send = Extract<TopicEffect, { type: 'send' }>

/** What can be done to a batch on its way. */
const FORGERIES: readonly ((batch: Batch) => Batch)[] = [
  // The same content under other numbers: replayed, it would come once per number.
  batch => ({ ...batch, seq0: batch.seq0 + 1000 }),
  // A window that is moved before the signature is checked is blind for all that really follows.
  batch => ({ ...batch, seq0: 2 ** 31 }),
  batch => ({ ...batch, seq0: 2 ** 53 - 1 - batch.count }),
  batch => ({ ...batch, createdMs: batch.createdMs + 1 }),
  batch => ({ ...batch, ttlSeconds: batch.ttlSeconds + 1 }),
  batch => ({ ...batch, signature: batch.signature.map(byte => byte ^ 1) }),
  batch => {
    // Not `slice`, which is a view if these are a Buffer.
    const payloadBytes = Uint8Array.from(batch.payloadBytes)
    const last = payloadBytes.length - 1
    payloadBytes[last] = (payloadBytes[last] ?? 0) ^ 0x40
    return { ...batch, payloadBytes }
  }
]

/** The next batch of the same author, forged before it exists. */
const predicted = (batch: Batch): Batch => ({ ...batch, seq0: batch.seq0 + batch.count })

/** How a liar spends its three bad signatures and all that costs it nothing. */
export interface HostileOptions {
  /** Share of forwarded batches that are forged, 0 to 1. */
  readonly forges: number
  /** Share of batches that are not passed on. */
  readonly swallows: number
  /** How often each batch is sent again, at random moments until it is long gone. */
  readonly replays: number
  /** Forges the next seq of whatever it sees. */
  readonly predicts: boolean
}

/** Makes `node` lie. */
export function corrupt(
  node: SimNode,
  world: World,
  { options, hits }: { options: HostileOptions; hits: Hits }
): void {
  const { rng } = world
  const archived = new Set<Batch>()
  const replay = (batch: Batch): void => {
    const ports = [...node.ports.values()].filter(port => port.isUp)
    if (ports.length === 0 || !node.isUp) return
    hits.hostile++
    const port = rng.pick(ports)
    const frame: OutFrame = {
      kind: 'batch',
      batch,
      hops: 1,
      mark: false,
      repair: rng.chance(0.3),
      last: false
    }
    port.egress.push(port.link, SEND_FORWARD, frame)
    node.touch(port)
  }
  const archive = (batch: Batch): void => {
    if (archived.has(batch)) return
    archived.add(batch)
    const { maxSkewMs } = world.limits
    const goneMs = batch.createdMs + batch.ttlSeconds * 1000 + maxSkewMs - EPOCH_MS - node.options.skewMs
    for (let i = 0; i < options.replays; i++) {
      world.queue.at(rng.int(Math.floor(world.queue.nowMs), goneMs + 3000), () => replay(batch))
    }
  }
  node.corrupt = (effect, port) => {
    if (effect.type !== 'send' || effect.frame.kind !== 'batch') return lieAbout(effect as Send)
    const { frame } = effect
    archive(frame.batch)
    if (rng.chance(options.swallows)) {
      hits.hostile++
      return []
    }
    const sends: TopicEffect[] = [effect]
    const forge = (batch: Batch): void => {
      hits.hostile++
      sends.push({ ...effect, frame: { ...frame, batch } })
    }
    if (options.predicts) forge(predicted(frame.batch))
    if (rng.chance(options.forges)) forge(rng.pick(FORGERIES)(frame.batch))
    return port.isOpen ? sends : []
  }

  // Claims to have what nobody published, now and then.
  function lieAbout(effect: Send): TopicEffect[] {
    const { frame } = effect
    if (frame.kind !== 'have' || frame.entries.length === 0 || !rng.chance(0.3)) return [effect]
    hits.hostile++
    const entries = frame.entries.map(entry => ({ ...entry, next: entry.next + rng.int(1, 2000) }))
    return [{ ...effect, frame: { ...frame, entries } }]
  }
}
