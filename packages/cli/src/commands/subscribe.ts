/**
 * `hearsay subscribe TOPIC`: prints the messages of a topic until it is interrupted, or has seen enough.
 */
import type { Message } from '@hearsay/gossip'
import { integerOf, numberOf } from '../args.js'
import type { Context } from '../context.js'
import { HELD_MESSAGES, invitation, openSwarm } from '../open-swarm.js'

/** Runs the command. */
export async function subscribe(context: Context): Promise<void> {
  const { words, flags, output } = context
  const limit = integerOf(flags, 'count', {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    fallback: Number.POSITIVE_INFINITY
  })
  const seconds = numberOf(flags, 'timeout', { min: 0.001, max: 86_400, fallback: 0 })
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
    const messages = swarm.messages({ signal, highWaterMark: HELD_MESSAGES })
    let seen = 0
    for await (const message of messages) {
      await (output.json ? output.object(toJson(message)) : output.value(message.data))
      if (++seen >= limit) break
    }
  } finally {
    clear()
    await swarm.destroy()
  }
}

const toJson = ({ topic, id, incarnation, seq, data, createdAt, hops }: Message) => ({
  topic,
  author: id,
  incarnation,
  seq,
  data,
  createdAt,
  hops
})

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
