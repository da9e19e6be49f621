/**
 * `hearsay peers TOPIC`: who shares a topic with us, again and again until it is interrupted, or once.
 *
 * To see them we are one of them for that time: messages are passed on, and none is printed.
 */
import { setTimeout } from 'node:timers/promises'
import type { Peer, PeerLinkState } from '@hearsay/gossip'
import type { Swarm } from '@hearsay/gossip/swarm'
import { aligned } from '../aligned.js'
import { integerOf, numberOf } from '../args.js'
import type { Context } from '../context.js'
import { closeSwarm, openSwarm } from '../open-swarm.js'

const HEAD = ['peer', 'role', 'state', 'rtt ms', 'delivered', 'duplicates', 'queued bytes', 'score']
/** Enough of a key to tell peers apart, and for a line that fits a terminal. */
const ID_LENGTH = 16
/** With `--once`: how long those that are being dialled are waited for, after the first ones came. */
const SETTLE_MS = 2000
const LOOK_AGAIN_MS = 20

/** Runs the command. */
export async function peers(context: Context): Promise<void> {
  const { words, flags, output, signal } = context
  const wait = integerOf(flags, 'wait', { min: 0, max: 1000, fallback: 1 })
  const seconds = numberOf(flags, 'timeout', { min: 0.001, max: 86_400, fallback: 10 })
  const everyMs = numberOf(flags, 'interval', { min: 0.1, max: 3600, fallback: 2 }) * 1000
  const swarm = await openSwarm(context)
  try {
    output.note(`looking for peers on topic ${words[0]}`)
    if (flags.once === true) {
      if (wait > 0) await swarm.connected(wait, { signal, timeoutMs: seconds * 1000 })
      await settled(swarm, signal)
      await show(swarm, context)
      return
    }
    for (let lines = 0; ; ) {
      if (lines > 0) await output.erase(lines)
      lines = await show(swarm, context)
      await setTimeout(everyMs, undefined, { signal })
    }
  } finally {
    await closeSwarm(swarm, context)
  }
}

// A link is there before both ends agreed what it is used for.
async function settled(swarm: Swarm, signal: AbortSignal): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)])
  await swarm.flushed({ signal: limited }).catch(() => {})
  const isAgreed = () => swarm.peers().every(peer => peer.role(swarm.topic.name) === 'active')
  while (!limited.aborted && !isAgreed()) {
    await setTimeout(LOOK_AGAIN_MS, undefined, { signal: limited }).catch(() => {})
  }
  signal.throwIfAborted()
}

/** Prints who is there, and returns how many lines that took. */
async function show(swarm: Swarm, { words, output }: Context): Promise<number> {
  const known = swarm.peers()
  if (output.json) {
    await output.object({ topic: words[0], atMs: Date.now(), peers: known })
    return 0
  }
  const rows = known.map(peer => rowOf(peer, swarm.topic.name))
  const text = rows.length === 0 ? 'nobody yet\n' : aligned([HEAD, ...rows])
  await output.text(output.isTerminal ? text : `${text}\n`)
  return text.split('\n').length - 1
}

function rowOf(peer: Peer, topic: string): string[] {
  const { stats, links, id, rtt } = peer
  const isActive = ({ role }: PeerLinkState): boolean => role === 'active'
  const own = links.filter(link => link.topic === topic)
  const link = own.find(isActive) ?? own[0]
  return [
    id.slice(0, ID_LENGTH),
    link?.role ?? '-',
    link?.state ?? '-',
    rtt === 0 ? '-' : String(Math.round(rtt)),
    String(stats.delivered),
    String(stats.duplicates),
    String(stats.queuedBytes),
    (link?.score ?? 0).toFixed(1)
  ]
}
