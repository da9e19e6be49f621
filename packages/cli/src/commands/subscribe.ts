/**
 * `hearsay subscribe TOPIC`: prints the messages of a topic until it is interrupted, or has seen enough. With `--seed` it
 * prints none, but stays for the others: what one published before it left, those who come late still get here.
 */
import { setTimeout as after } from 'node:timers/promises'
import type { Swarm } from '@hearsay/gossip/swarm'
import { integerOf, numberOf, UsageError } from '../args.js'
import type { Context } from '../context.js'
import { messageJson } from '../message-json.js'
import { closeSwarm, HELD_MESSAGES, invitation, openSwarm } from '../open-swarm.js'
import type { Output } from '../output.js'

/** How often a seed tells how it goes. */
const STATUS_MS = 60_000

/** Runs the command. */
export async function subscribe(context: Context): Promise<void> {
  const { words, flags, output } = context
  const limit = integerOf(flags, 'count', {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    fallback: Number.POSITIVE_INFINITY
  })
  const seconds = numberOf(flags, 'timeout', { min: 0.001, max: 86_400, fallback: 0 })
  const isSeed = flags.seed === true
  if (isSeed && (flags.count ?? flags.timeout) !== undefined) {
    throw new UsageError('--seed prints no messages: leave out --count and --timeout')
  }
  const swarm = await openSwarm(context)
  const { signal, clear } = withTimeout(context.signal, seconds, limit)
  try {
    output.note(`looking for peers on topic ${words[0]}`)
    output.note(`to speak: ${invitation('publish', context)}`)
    swarm.on('connected', () => output.note('connected'))
    swarm.on('disconnected', () => output.note('no peers left; still listening'))
    swarm.on('lag', ({ count }) =>
      output.note(`lost ${count} messages, because this output is read too slowly`)
    )
    if (isSeed) return await serve(swarm, output, signal)
    const messages = swarm.messages({ signal, highWaterMark: HELD_MESSAGES })
    let seen = 0
    for await (const message of messages) {
      await (output.json ? output.object(messageJson(message)) : output.value(message.data))
      if (++seen >= limit) break
    }
  } finally {
    clear()
    await closeSwarm(swarm, context)
  }
}

/** Passes on and repairs for others until it is interrupted. */
async function serve(swarm: Swarm, output: Output, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { peers, delivered, forwarded, repaired } = swarm.gossip.stats
    output.note(`peers ${peers}, received ${delivered}, passed on ${forwarded}, repaired ${repaired}`)
    await after(STATUS_MS, undefined, { signal })
  }
}

function withTimeout(
  signal: AbortSignal,
  seconds: number,
  limit: number
): { signal: AbortSignal; clear(): void } {
  if (seconds === 0) return { signal, clear() {} }
  const controller = new AbortController()
  const timer = setTimeout(() => {
    const error = new Error(`fewer than ${limit} messages came within ${seconds} seconds`)
    controller.abort(Object.assign(error, { code: 'ERR_TIMEOUT' }))
  }, seconds * 1000)
  return { signal: AbortSignal.any([signal, controller.signal]), clear: () => clearTimeout(timer) }
}
