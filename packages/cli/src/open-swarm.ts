/**
 * The swarm that the commands of a topic work on, and the end of it.
 */
import { keyBytes, LIMITS, type TopicTraceEvent } from '@hearsay/gossip'
import pubsub, { type Swarm } from '@hearsay/gossip/swarm'
import { bootstrapOf, UsageError } from './args.js'
import type { Context } from './context.js'
import { identityOf } from './identity.js'
import type { Output } from './output.js'
import { traceLine } from './trace-line.js'

/** Messages held for a slow reader of our output: a pipe may well be slower than the network for a while. */
export const HELD_MESSAGES = 262_144
const HELD_BYTES = 128 * 1024 * 1024

/**
 * Joins the topic that the first word names, as the flags say, and tells how others join it.
 *
 * @throws {UsageError} When the words or flags make no sense.
 */
export async function openSwarm({ words, flags, output }: Context): Promise<Swarm> {
  const name = words[0] as string // the parser saw to it
  if (name === '') throw new UsageError('<topic> is empty')
  const bootstrap = bootstrapOf(flags)
  const storage = flags.storage as string | undefined
  const swarm = pubsub(flags.private === true ? keyBytes(name) : name, {
    limits: { ...LIMITS, maxSubscriptionMessages: HELD_MESSAGES, maxSubscriptionBytes: HELD_BYTES },
    ...(bootstrap && { bootstrap }),
    ...(flags.lan === true && { lan: true }),
    ...(flags.trace === true && { trace: (event: TopicTraceEvent) => output.extra(traced(event, output)) }),
    ...(storage !== undefined && { keyPair: await identityOf(storage) })
  })
  swarm.on('warning', error => output.warning(error))
  swarm.on('peer-add', () => output.detail(`peers: ${swarm.peers().length}`))
  swarm.on('peer-remove', () => output.detail(`peers: ${swarm.peers().length}`))
  return swarm
}

/** Says with `--stats` what there was to count, then leaves and closes all. */
export async function closeSwarm(swarm: Swarm, { flags, output }: Context): Promise<void> {
  if (flags.stats === true) output.extra(JSON.stringify(swarm.gossip.stats))
  await swarm.destroy()
}

const traced = (event: TopicTraceEvent, { json }: Output): string =>
  json ? JSON.stringify(event) : traceLine(event)

/** The command that another person has to type to hear, or to be heard. */
export function invitation(verb: 'publish' | 'subscribe' | 'chat', { words, flags }: Context): string {
  const more = (bootstrapOf(flags) ?? []).map(({ host, port }) => ` --bootstrap ${host}:${port}`)
  if (flags.private === true) more.push(' --private')
  return `hearsay ${verb} ${quoted(words[0] as string)}${more.join('')}`
}

const quoted = (word: string): string =>
  /^[\w./:@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
