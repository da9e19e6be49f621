/**
 * `hearsay demo-member`: one process of the demo. It is started by `hearsay demo` and speaks to it in messages.
 */
import { once } from 'node:events'
import { closeNetwork, createNetwork } from '@hearsay/gossip/swarm'
import { Party } from '@hearsay/party'
import { UsageError } from '../args.js'
import type { Context } from '../context.js'
import { Member } from '../demo/member.js'
import type { FromMember, ToMember } from '../demo/messages.js'
import { linesOfMember, readLines } from '../demo/text.js'

/** Runs the command, until its parent lets it go. */
export async function demoMember({ output, signal }: Context): Promise<void> {
  if (process.send === undefined) throw new UsageError('demo-member is started by hearsay demo')
  const controller = new AbortController()
  process.once('disconnect', () => controller.abort(new Error('the demo is gone')))
  const ended = AbortSignal.any([signal, controller.signal])
  const tell = (message: FromMember) => process.send?.(message)

  const start = await hear('start', ended)
  const text = await readLines(start.file, start.lines)
  const shares = Array.from({ length: start.members }, (_, index) =>
    linesOfMember(text, index, start.members)
  )
  const network = createNetwork({ bootstrap: start.bootstrap })
  const party = new Party({
    key: start.key,
    storage: start.storage,
    // What somebody's own feed of lines is taken for; all else is refused.
    rules: { onIntroduceFeeds: ({ message }) => message.own && message.meta?.kind === 'lines' }
  })
  try {
    party.on('warning', error => output.warning(error))
    const member = new Member(party, shares, start.index)
    const identity = await member.open()
    party.join(network)
    tell({ type: 'joined', ...identity })
    const go = hear('go', ended)
    await member.connected(start.members - 1, ended)
    tell({ type: 'connected', index: start.index })
    const { members } = await go
    tell({ type: 'result', ...(await member.work(members, start.timeoutMs)) })
    await hear('leave', ended)
  } finally {
    await party.close()
    await closeNetwork(network)
    if (process.connected) process.disconnect()
  }
}

async function hear<K extends ToMember['type']>(
  type: K,
  signal: AbortSignal
): Promise<Extract<ToMember, { type: K }>> {
  for (;;) {
    const [message] = (await once(process, 'message', { signal })) as [ToMember]
    if (message.type === type) return message as Extract<ToMember, { type: K }>
    if (message.type === 'leave') throw new Error('the demo ended early')
  }
}
