/** The option `trace`: what an application sees, and that it can break nothing. */
import { type GossipOptions, keyId, type TopicTraceEvent } from '@hearsay/gossip'
import test from 'ava'
import { connect, linked, node } from './support/gossip-nodes.js'
import { turns, until } from './support/streams.js'

function traced(t: Parameters<typeof node>[0]) {
  const events: TopicTraceEvent[] = []
  const made = node(t, { trace: event => events.push(event) })
  const of = <T extends TopicTraceEvent['type']>(type: T) =>
    events.filter((event): event is Extract<TopicTraceEvent, { type: T }> => event.type === type)
  return { ...made, traced: events, of }
}

test('each event has its topic, its time, its peer, and keys as messages have them', async t => {
  const [a, b] = [traced(t), traced(t)]
  connect(a, b)
  await linked(a, b)
  const beforeMs = Date.now()
  await a.topic.publish('x')
  await until(() => b.messages.length === 1)
  const [message] = b.messages
  const [pushed] = a.of('push')
  const [received] = b.of('receive')
  const { incarnation } = message ?? {}
  t.like(pushed, { topic: 'cats', author: a.gossip.id, incarnation, seq0: 0, count: 1, hops: 0 })
  t.like(received, { topic: 'cats', author: a.gossip.id, incarnation, seq0: 0, count: 1, repair: false })
  t.is(pushed?.peer, a.topic.peers()[0]?.id as never)
  t.is(received?.peer, keyId(b.topic.peers()[0]?.remotePublicKey as Uint8Array))
  for (const { atMs } of [pushed, received] as TopicTraceEvent[]) {
    t.true(atMs >= beforeMs - 1000 && atMs <= Date.now() + 1000)
  }
  t.deepEqual(
    a.traced.map(({ atMs }) => atMs),
    a.traced.map(({ atMs }) => atMs).sort((x, y) => x - y)
  )
  t.like(a.of('link')[0], { state: 'up', topic: 'cats' })
  for (const event of [...a.traced, ...b.traced]) t.deepEqual(JSON.parse(JSON.stringify(event)), event)
})

test('a link that went away is traced with the peer that it had', async t => {
  const [a, b] = [traced(t), node(t)]
  const [stream] = connect(a, b)
  await linked(a, b)
  const peer = a.topic.peers()[0]?.id as string
  stream.destroy()
  await until(() => a.of('link').some(({ state }) => state === 'closed'))
  t.is(a.of('link').at(-1)?.peer, peer)
})

test('trace is never called from inside of a call of ours', async t => {
  let isInside = false
  const during: boolean[] = []
  const states: string[] = []
  const trace = (event: TopicTraceEvent) => {
    during.push(isInside)
    if (event.type === 'link') states.push(event.state)
  }
  const [a, b] = [node(t, { trace }), node(t)]
  connect(a, b)
  await linked(a, b)
  const [peer] = a.topic.peers()
  isInside = true
  if (peer !== undefined) a.topic.dismiss(peer)
  isInside = false
  await until(() => states.includes('refused'))
  t.false(during.includes(true))
})

test('what trace throws or rejects with is told once for a Gossip, and breaks nothing', async t => {
  const faults: GossipOptions['trace'][] = [
    () => {
      throw new Error('mine')
    },
    (async () => {
      throw new Error('mine')
    }) as never
  ]
  for (const trace of faults) {
    let calls = 0
    const counted = (event: TopicTraceEvent) => {
      calls++
      return trace?.(event)
    }
    const [a, b] = [node(t, { trace: counted }), node(t)]
    connect(a, b)
    await linked(a, b)
    for (let i = 0; i < 5; i++) await a.topic.publish(i)
    await until(() => b.messages.length === 5)
    t.is(a.warnings.length, 1)
    t.is(a.warnings[0]?.code, 'WARN_GOSSIP_TRACE_THREW')
    t.is(a.warnings[0]?.message, 'trace() threw: mine')
    t.like(a.warnings[0]?.cause, { message: 'mine' })
    t.true(calls > 5, 'it goes on being called')
    t.is(a.topic.peers().length, 1)
  }
})

test('trace may call what it likes', async t => {
  const [a, b] = [
    node(t, {
      trace: event => {
        if (event.type !== 'push') return
        a.topic.explain(event.author)
        a.gossip.stats.toJSON()
        if (a.gossip.stats.published < 3) void a.topic.publish('again')
      }
    }),
    node(t)
  ]
  connect(a, b)
  await linked(a, b)
  await a.topic.publish('first')
  await until(() => b.messages.length >= 3)
  t.deepEqual(b.data().slice(0, 3), ['first', 'again', 'again'])
  await turns(10)
  t.deepEqual(a.warnings, [])
})

test('trace is a function', t => {
  const options = { trace: 'yes' } as never
  t.throws(() => node(t, options), { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_OPTION' })
})
