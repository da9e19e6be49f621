/**
 * `hearsay publish TOPIC [text...]`: publishes the text, or each line of standard input.
 *
 * It waits for a first peer, because a message that nobody hears before we leave is lost, and leaves only when the
 * connected peers have received everything.
 */
import { LIMITS } from '@hearsay/gossip'
import type { Swarm } from '@hearsay/gossip/swarm'
import { integerOf, numberOf } from '../args.js'
import type { Context } from '../context.js'
import { type Line, linesOf } from '../lines.js'
import { closeSwarm, invitation, openSwarm } from '../open-swarm.js'
import { stdin } from '../stdin.js'
import { taken } from '../taken.js'

/** Messages handed over at once: enough to fill batches, few enough to keep little of a large input in memory. */
const MAX_IN_FLIGHT = 256

/** Runs the command. */
export async function publish(context: Context): Promise<void> {
  const { words, flags, output, signal } = context
  const wait = integerOf(flags, 'wait', { min: 0, max: 1000, fallback: 1 })
  const seconds = numberOf(flags, 'timeout', { min: 0.001, max: 86_400, fallback: 0 })
  const text = words.slice(1).join(' ')
  const swarm = await openSwarm(context)
  try {
    if (wait > 0) {
      output.note(`looking for ${wait === 1 ? 'a peer' : `${wait} peers`} on topic ${words[0]}`)
      output.note(`to listen: ${invitation('subscribe', context)}`)
      await swarm.connected(wait, { signal, ...(seconds > 0 && { timeoutMs: seconds * 1000 }) })
      output.note(`connected to ${count(swarm.peers().length, 'peer')}`)
    }
    const messages = words.length > 1 ? [text] : linesOf(stdin(signal), LIMITS.maxMessageBytes)
    const published = await publishAll(swarm, messages, context)
    if (!(await taken(swarm, signal))) output.note('a peer takes nothing any more; it may miss messages')
    output.note(`published ${count(published, 'message')} to ${count(swarm.peers().length, 'peer')}`)
  } finally {
    await closeSwarm(swarm, context)
  }
}

async function publishAll(
  swarm: Swarm,
  messages: Iterable<Line> | AsyncIterable<Line>,
  { words, output, signal }: Context
): Promise<number> {
  let published = 0
  let pending: Promise<void>[] = []
  const failures: unknown[] = []
  const settle = async () => {
    await Promise.all(pending)
    pending = []
    if (failures.length > 0) throw failures[0]
    await taken(swarm, signal)
  }
  const one = async (data: Line) => {
    try {
      const { incarnation, seq, peers } = await swarm.publish(data, { signal })
      published++
      if (output.json) await output.object({ topic: words[0], author: swarm.id, incarnation, seq, peers })
    } catch (error) {
      failures.push(error)
    }
  }
  for await (const data of messages) {
    pending.push(one(data))
    if (pending.length === MAX_IN_FLIGHT || failures.length > 0) await settle()
  }
  await settle()
  return published
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`
