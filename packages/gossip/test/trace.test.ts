import test from 'ava'
import { Outbox } from '#gossip/core/outbox'
import { Flood } from '#gossip/core/spread'
import { TopicCore } from '#gossip/core/topic-core'
import type { OutFrame, TraceEvent } from '#gossip/core/types'
import { Author, bytesOf, coreOptions, Rig, START_MS } from './support/core-rig.js'

type EventOf<T extends TraceEvent['type']> = Extract<TraceEvent, { type: T }>

/** A core whose trace is kept. */
function traced(overrides: ConstructorParameters<typeof Rig>[0] = {}) {
  const events: TraceEvent[] = []
  const rig = new Rig({ ...overrides, trace: event => events.push(event) })
  const of = <T extends TraceEvent['type']>(type: T): EventOf<T>[] =>
    events.filter((event): event is EventOf<T> => event.type === type)
  return { rig, events, of }
}

const named = ({ ref }: Author) => ({ author: ref.authorId, incarnation: ref.incarnationId })

test('a batch is traced where it is pushed, where it is new, and where it is a copy', t => {
  const { rig, of } = traced()
  const peer = rig.peer(1)
  const other = rig.peer(2)
  rig.publish(1, 'ours')
  const own = of('push').filter(({ hops }) => hops === 0)
  t.deepEqual(own.map(({ link }) => link).sort(), [peer.link, other.link])
  t.like(own[0], { author: Buffer.from(rig.options.author).toString('hex'), seq0: 0, count: 1 })

  const author = new Author(8)
  const batch = author.batch(0, { texts: ['a', 'b'] })
  peer.batch(batch, { hops: 3 })
  const about = { link: peer.link, ...named(author), seq0: 0, count: 2 }
  t.deepEqual(of('receive'), [{ type: 'receive', hops: 3, repair: false, ...about }])
  t.deepEqual(
    of('push').filter(({ hops }) => hops > 0),
    [{ type: 'push', hops: 4, ...about, link: other.link }]
  )
  other.batch(batch)
  t.deepEqual(of('duplicate'), [{ type: 'duplicate', ...about, link: other.link }])
  t.deepEqual(of('drop'), [{ type: 'drop', link: other.link, reason: 'duplicate', points: 0 }])
  t.is(of('receive').length, 1)
})

test('what is missing is traced from the WANT to the repair, and to the gap if nobody has it', t => {
  const { rig, of } = traced()
  const peer = rig.peer(1)
  const author = new Author(8)
  const about = { link: peer.link, ...named(author) }
  peer.batch(author.batch(0))
  peer.batch(author.batch(3))
  rig.pass(10)
  t.deepEqual(of('want'), [{ type: 'want', direction: 'out', ...about, from: 1, count: 2 }])
  peer.batch(author.batch(1), { repair: true })
  t.like(of('receive').at(-1), { ...about, seq0: 1, repair: true })
  peer.miss(author.ref, 2, 1)
  const reason = 'not-cached'
  t.deepEqual(of('miss'), [{ type: 'miss', direction: 'in', ...about, from: 2, count: 1, reason }])
  t.deepEqual(of('gap'), [])
  rig.pass(61_000)
  t.deepEqual(of('gap'), [{ type: 'gap', ...named(author), from: 2, to: 2 }])
})

test('the other end of a repair is traced, too', t => {
  const { rig, of } = traced()
  const peer = rig.peer(1)
  rig.publish(1, 'ours')
  const { ref } = rig.log.of('deliver')[0]?.batch ?? {}
  if (ref === undefined) return t.fail('nothing was published')
  peer.want(ref, 0, 3)
  const about = { link: peer.link, author: ref.authorId, incarnation: ref.incarnationId }
  t.deepEqual(of('want'), [{ type: 'want', direction: 'in', ...about, from: 0, count: 3 }])
  t.deepEqual(of('repair'), [{ type: 'repair', ...about, seq0: 0, count: 1 }])
  const reason = 'not-cached'
  t.deepEqual(of('miss'), [{ type: 'miss', direction: 'out', ...about, from: 1, count: 2, reason }])
})

test('PRUNE, GRAFT and marks of others are traced', t => {
  const { rig, of } = traced()
  const peer = rig.peer(1)
  const author = new Author(8)
  const about = { link: peer.link, ...named(author) }
  const batch = author.batch(0)
  peer.send({ kind: 'batch', batch, hops: 0, mark: true, repair: false, last: false })
  t.deepEqual(of('mark'), [{ type: 'mark', ...about, seq0: 0 }])
  peer.send({ kind: 'prune', refs: [author.ref] })
  peer.send({ kind: 'prune', refs: [] })
  const all = { author: null, incarnation: null }
  t.deepEqual(of('prune'), [
    { type: 'prune', direction: 'in', ...about },
    { type: 'prune', direction: 'in', ...about, ...all }
  ])
  peer.send({ kind: 'want', graft: true, ranges: [{ ref: author.ref, from: 0, count: 0 }] })
  t.deepEqual(of('graft'), [{ type: 'graft', direction: 'in', ...about }])
  t.deepEqual(of('want'), [], 'a WANT for nothing only grafts')
})

test('PRUNE and GRAFT of ours are traced', t => {
  const events: TraceEvent[] = []
  const outbox = new Outbox(event => events.push(event))
  const author = new Author(8)
  const send = (frame: OutFrame) => outbox.send({ id: 4, toldMs: 0 }, { class: 0, frame }, START_MS)
  send({ kind: 'prune', refs: [author.ref] })
  send({ kind: 'prune', refs: [] })
  send({ kind: 'want', graft: true, ranges: [{ ref: author.ref, from: 7, count: 2 }] })
  const about = { link: 4, direction: 'out', ...named(author) } as const
  t.deepEqual(events, [
    { type: 'prune', ...about },
    { type: 'prune', ...about, author: null, incarnation: null },
    { type: 'graft', ...about },
    { type: 'want', ...about, from: 7, count: 2 }
  ])
})

test('a mark of ours is traced once, however many links the batch goes to', t => {
  const events: TraceEvent[] = []
  class Marking extends Flood {
    override marks(): boolean {
      return true
    }
  }
  const options = coreOptions(7, { trace: event => events.push(event) })
  const core = new TopicCore(options, new Marking())
  core.step({ type: 'publish', publish: 1, payload: bytesOf('ours') }, START_MS)
  core.step({ type: 'tick' }, START_MS)
  const marks = events.filter(({ type }) => type === 'mark')
  t.is(marks.length, 1)
  t.like(marks[0], { link: null, author: Buffer.from(options.author).toString('hex'), seq0: 0 })
})

test('a link is traced as it comes, slows down, recovers and goes', t => {
  const { rig, of } = traced()
  const peer = rig.peer(1)
  rig.step({ type: 'blocked', link: peer.link })
  rig.step({ type: 'blocked', link: peer.link })
  rig.step({ type: 'lagging', link: peer.link })
  rig.step({ type: 'drained', link: peer.link })
  rig.step({ type: 'linkDown', link: peer.link })
  const states = of('link').map(({ state }) => state)
  t.is(states[0], 'up')
  t.deepEqual(states.slice(-4), ['blocked', 'lagging', 'open', 'closed'])
  t.true(of('link').every(({ link }) => link === peer.link))
})

test('input that is charged says so', t => {
  const { rig, of } = traced()
  const peer = rig.peer(1)
  peer.frame(1, new Uint8Array([0xff, 0xff, 0xff]))
  t.is(of('drop').length, 1)
  t.like(of('drop')[0], { link: peer.link, points: 100 })
})

test('a trace changes nothing', t => {
  const run = (rig: Rig) => {
    const peers = [rig.peer(1), rig.peer(2)]
    const author = new Author(8)
    rig.publish(1, 'ours')
    for (const seq of [0, 2, 2, 5]) peers[seq % 2]?.batch(author.batch(seq))
    rig.pass(3000)
    peers[0]?.miss(author.ref, 1, 1)
    rig.pass(60_000)
    return rig.log.effects
  }
  t.deepEqual(run(traced().rig), run(new Rig()))
})

test('without a tracer there is nobody to make events for', t => {
  t.is(new Outbox(undefined).tracer, undefined)
})
