/**
 * `hearsay chat TOPIC`: what others say is printed as `<their id> text`, each line of standard input is said to them.
 *
 * A stranger's text is for people here, so what steers a terminal is shown, not obeyed, and one message is one line: else
 * it could look like another's.
 */
import { LIMITS, type Message } from '@hearsay/gossip'
import type { Swarm } from '@hearsay/gossip/swarm'
import type { Context } from '../context.js'
import { linesOf } from '../lines.js'
import { messageJson } from '../message-json.js'
import { closeSwarm, HELD_MESSAGES, invitation, openSwarm } from '../open-swarm.js'
import type { Output } from '../output.js'
import { stdin } from '../stdin.js'
import { taken } from '../taken.js'

const ID_LENGTH = 8

/** Runs the command. */
export async function chat(context: Context): Promise<void> {
  const { words, output } = context
  const swarm = await openSwarm(context)
  const ended = new AbortController()
  const signal = AbortSignal.any([context.signal, ended.signal])
  try {
    output.note(`you are <${swarm.id.slice(0, ID_LENGTH)}> on topic ${words[0]}; Ctrl+C leaves`)
    output.note(`to join: ${invitation('chat', context)}`)
    swarm.on('peer-add', () => output.note(`peers: ${swarm.peers().length}`))
    swarm.on('peer-remove', () => output.note(`peers: ${swarm.peers().length}`))
    const listening = listen(swarm, output, signal)
    // Whichever fails first is told; the other ends with it.
    await Promise.race([listening, speak(swarm, context)])
    ended.abort()
    await listening.catch(() => {})
  } finally {
    ended.abort()
    await closeSwarm(swarm, context)
  }
}

async function listen(swarm: Swarm, output: Output, signal: AbortSignal): Promise<void> {
  for await (const message of swarm.messages({ signal, highWaterMark: HELD_MESSAGES })) {
    if (output.json) await output.object(messageJson(message))
    else await output.text(`<${message.id.slice(0, ID_LENGTH)}> ${visible(message)}\n`)
  }
}

async function speak(swarm: Swarm, { output, signal }: Context): Promise<void> {
  for await (const line of linesOf(stdin(signal), LIMITS.maxMessageBytes)) {
    if (line.length === 0) continue
    if (swarm.peers().length === 0) output.note('nobody is here yet; it is said to the first who comes')
    await swarm.publish(line, { waitForPeers: 1, signal })
  }
  if (!(await taken(swarm, signal))) output.note('a peer takes nothing any more; it may miss messages')
}

function visible({ data }: Message): string {
  const text = typeof data === 'string' ? data : (JSON.stringify(data) ?? String(data))
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    character => `\\u{${character.codePointAt(0)?.toString(16)}}`
  )
}
