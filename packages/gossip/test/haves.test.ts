import test from 'ava'
import type { AuthorEntry } from '#gossip/core/author-entry'
import { AuthorTable } from '#gossip/core/author-table'
import { Haves, type Knowing } from '#gossip/core/haves'
import type { Link } from '#gossip/core/link'
import { makeLink } from '#gossip/core/link'
import { Outbox } from '#gossip/core/outbox'
import type { AuthorRef } from '#gossip/core/types'
import { LIMITS, type Limits } from '#gossip/limits'
import { bindings, noiseKey, START_MS } from './support/core-rig.js'
import { refOf } from './support/grove.js'

/** A watermark that was told: when, to whom, and which. */
interface Told {
  readonly atMs: number
  readonly have: string
  readonly link: number
  readonly entries: string[]
}

/** The watermarks of a node, without the node. */
class Watermarks {
  readonly limits: Limits
  readonly table: AuthorTable
  readonly outbox = new Outbox(undefined)
  readonly haves: Haves
  readonly active: Link[] = []
  readonly standbys: Link[] = []
  nowMs = START_MS
  readonly #names = new Map<AuthorRef, string>()

  constructor(
    links: { active?: number; standbys?: number; inbound?: number } = {},
    limits: Partial<Limits> = {}
  ) {
    this.limits = { ...LIMITS, ...limits }
    this.table = new AuthorTable(this.limits, START_MS)
    let state = 1
    const random = (): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return state / 2 ** 32
    }
    this.haves = new Haves({ limits: this.limits, table: this.table, outbox: this.outbox, random })
    for (let i = 0; i < (links.active ?? 0); i++) {
      const link = this.#link(i, i >= (links.inbound ?? 0))
      link.role = 'active'
      link.slot = i
      this.active.push(link)
    }
    for (let i = 0; i < (links.standbys ?? 0); i++) this.standbys.push(this.#link(100 + i, true))
  }

  author(seed: number): AuthorEntry {
    const ref = refOf(seed)
    this.#names.set(ref, String(seed))
    return this.table.admitOwn(ref)
  }

  /** An entry accepts its next message. */
  accept(entry: AuthorEntry, how: Partial<Omit<Knowing, 'active' | 'to'>> & { seq?: number } = {}): void {
    const { from = null, pushed = [], knowing = [], seq = entry.window.top + 1 } = how
    this.table.accept(entry, { seq0: seq, count: 1, expiresMs: this.nowMs + 30_000 })
    this.haves.changed(entry, { active: this.active, from, pushed, knowing, to: seq }, this.nowMs)
  }

  /** Lets time pass; what was told. */
  pass(ms: number): Told[] {
    const told: Told[] = []
    const untilMs = this.nowMs + ms
    for (;;) {
      this.haves.due(this.active, () => [...this.standbys], this.nowMs)
      told.push(...this.take())
      const nextMs = this.haves.nextAtMs
      if (nextMs > untilMs) break
      this.nowMs = Math.max(this.nowMs + 1, Math.ceil(nextMs))
    }
    this.nowMs = untilMs
    return told
  }

  take(): Told[] {
    return this.outbox.take().flatMap(effect => {
      if (effect.type !== 'send' || effect.frame.kind !== 'have') return []
      const { have } = effect.frame
      const entries = effect.frame.entries.map(
        ({ ref, next, ahead }) => `${this.#names.get(ref)}:${next}${ahead > 0 ? `+${ahead}` : ''}`
      )
      return [{ atMs: this.nowMs - START_MS, have, link: effect.link, entries }]
    })
  }

  #link(number: number, outbound: boolean): Link {
    const [binding] = bindings(noiseKey(0), noiseKey(1 + number), number)
    const opening = { binding, outbound, peerId: String(number) }
    return { ...makeLink(number + 1, opening, { limits: this.limits, nowMs: START_MS }), state: 'up' }
  }
}

const ticks = (told: readonly Told[]): Told[] => told.filter(({ have }) => have === 'tick')

test('a change is told after 100 ms, to two links each 100 ms, to each once, and not to who brought it', t => {
  const marks = new Watermarks({ active: 6 })
  const entry = marks.author(1)
  marks.accept(entry, { from: marks.active[0] as Link })
  t.deepEqual(marks.pass(99), [])
  const told = ticks(marks.pass(2000))
  t.deepEqual(
    told.map(({ atMs }) => atMs),
    [100, 100, 200, 200, 300]
  )
  t.deepEqual(told.map(({ link }) => link).sort(), [2, 3, 4, 5, 6])
  t.true(told.every(({ entries }) => entries.join() === '1:1'))
  marks.pass(5000)
  t.is(marks.haves.nextAtMs, Number.POSITIVE_INFINITY, 'quiet')
})

test('who was pushed it is told only when nothing followed for a second', t => {
  const marks = new Watermarks({ active: 2 })
  const [a, b] = marks.active as [Link, Link]
  const entry = marks.author(1)
  for (let i = 0; i < 20; i++) {
    marks.accept(entry, { from: a, pushed: [b] })
    t.deepEqual(ticks(marks.pass(200)), [])
  }
  const told = ticks(marks.pass(2000))
  t.deepEqual(
    told.map(({ atMs, link, entries }) => [atMs, link, entries.join()]),
    [[4900, b.id, '1:20']]
  )
})

test('the turn goes round: under load each link hears a tick every 300 ms, of all that is new', t => {
  const marks = new Watermarks({ active: 6 })
  const entries = [marks.author(1), marks.author(2), marks.author(3)]
  const told: Told[] = []
  for (let i = 0; i < 200; i++) {
    marks.accept(entries[i % 3] as AuthorEntry)
    told.push(...ticks(marks.pass(20)))
  }
  t.true(told.length >= 70 && told.length <= 80, `${told.length} ticks in 4 s`)
  for (const { id } of marks.active) {
    const times = told.filter(({ link }) => link === id).map(({ atMs }) => atMs)
    for (let i = 1; i < times.length; i++) t.true((times[i] as number) - (times[i - 1] as number) <= 300)
  }
})

test('above 200 batches a second one link hears a tick, not two', t => {
  const count = (perSecond: number): number => {
    const marks = new Watermarks({ active: 6 })
    const entry = marks.author(1)
    let n = 0
    for (let i = 0; i < perSecond * 2; i++) {
      marks.accept(entry)
      n += ticks(marks.pass(1000 / perSecond)).length
    }
    return n
  }
  t.true(count(500) <= 21, String(count(500)))
  t.true(count(100) >= 36, String(count(100)))
})

test('of two neighbours the one that dialled tells the other, which then has nothing to say', t => {
  const marks = new Watermarks({ active: 2, inbound: 1 })
  const [inbound, outbound] = marks.active as [Link, Link]
  const entry = marks.author(1)
  marks.accept(entry)
  t.deepEqual(
    marks.pass(150).map(({ link }) => link),
    [outbound.id]
  )
  marks.haves.known(inbound, entry, { next: 1, to: 0, nowMs: marks.nowMs })
  marks.haves.heard(inbound, 'tick', new Map([[entry.ref, 0]]), marks.nowMs)
  t.deepEqual(
    marks.pass(2000).filter(({ have }) => have === 'tick'),
    []
  )
})

test('who dialled and says nothing is told after 200 ms', t => {
  const marks = new Watermarks({ active: 1, inbound: 1 })
  marks.accept(marks.author(1))
  t.deepEqual(ticks(marks.pass(199)), [])
  t.is(ticks(marks.pass(1)).length, 1)
})

test('a tick that lacks what we have for a while is answered at once; one that lacks what is new is not', t => {
  const marks = new Watermarks({ active: 1, inbound: 1 })
  const [link] = marks.active as [Link]
  const [old, fresh] = [marks.author(1), marks.author(2)]
  marks.accept(old)
  marks.nowMs += 100
  marks.accept(fresh)
  marks.haves.heard(link, 'tick', new Map(), marks.nowMs)
  const [answer] = marks.take()
  t.is(answer?.atMs, 100)
  t.deepEqual(answer?.entries, ['1:1', '2:1'], 'as it is sent anyway, with all that waits')
  marks.accept(fresh)
  marks.nowMs += 50
  marks.haves.heard(link, 'tick', new Map(), marks.nowMs)
  t.deepEqual(marks.take(), [])
})

test('a link that has some of it, but not the last, is given another tick of time', t => {
  const marks = new Watermarks({ active: 1 })
  const [link] = marks.active as [Link]
  const entry = marks.author(1)
  marks.accept(entry)
  marks.nowMs += 90
  marks.accept(entry)
  marks.haves.known(link, entry, { next: 1, to: 0, nowMs: marks.nowMs })
  t.deepEqual(ticks(marks.pass(99)), [])
  t.is(ticks(marks.pass(120)).length, 1)
})

test('nobody is told on a link whose queue is long; once it is open again, it is', t => {
  const marks = new Watermarks({ active: 1 })
  const [link] = marks.active as [Link]
  link.flow = 'blocked'
  const entry = marks.author(1)
  marks.accept(entry)
  t.deepEqual(ticks(marks.pass(1000)), [])
  marks.haves.heard(link, 'tick', new Map(), marks.nowMs)
  t.deepEqual(marks.take(), [])
  link.flow = 'open'
  t.is(ticks(marks.pass(201)).length, 1)
})

test('a sign of life carries what was pushed a while ago, but not what may still be on its way', t => {
  const marks = new Watermarks({ active: 1 })
  const [link] = marks.active as [Link]
  const [old, fresh] = [marks.author(1), marks.author(2)]
  marks.accept(old, { pushed: [link] })
  marks.nowMs += 950
  marks.accept(fresh, { pushed: [link] })
  marks.nowMs += 50
  marks.haves.live(link, marks.nowMs)
  t.deepEqual(
    marks.take().map(({ have, entries }) => [have, ...entries]),
    [['live', '1:1']]
  )
  const [standby] = new Watermarks({ standbys: 1 }).standbys as [Link]
  marks.haves.live(standby, marks.nowMs)
  t.deepEqual(
    marks.take().map(({ entries }) => entries),
    [[]]
  )
})

test('all is told to a link that becomes active; then it has nothing to hear', t => {
  const marks = new Watermarks({ active: 1 })
  const [link] = marks.active as [Link]
  const [one, two] = [marks.author(1), marks.author(2)]
  marks.accept(one)
  marks.accept(two, { seq: 5 })
  marks.haves.all(link, 'join', { nowMs: marks.nowMs, highMs: marks.nowMs })
  t.deepEqual(
    marks.take().map(({ have, entries }) => [have, ...entries]),
    [['join', '1:1', '2:0+6']]
  )
  t.deepEqual(ticks(marks.pass(3000)), [])
  marks.haves.all(link, 'lag', { nowMs: marks.nowMs, highMs: marks.nowMs + 60_000 })
  t.deepEqual(
    marks.take().map(({ entries }) => entries),
    [[]],
    'nothing that has expired'
  )
})

test('a slot that is used again owes nothing', t => {
  const marks = new Watermarks({ active: 2 })
  const [gone, kept] = marks.active as [Link, Link]
  marks.accept(marks.author(1))
  marks.haves.linkInactive(gone)
  t.deepEqual(
    ticks(marks.pass(3000)).map(({ link }) => link),
    [kept.id]
  )
})

test('what leaves the table is not told any more', t => {
  const marks = new Watermarks({ active: 2, standbys: 2 })
  const entry = marks.author(1)
  marks.accept(entry)
  marks.haves.forget(entry)
  t.deepEqual(marks.pass(5000), [])
})

test('summaries go to three standbys a second, for three seconds after the last change, at a phase of their own', t => {
  const phases = new Set<number>()
  for (let first = 0; first < 5; first++) {
    const marks = new Watermarks({ active: 1, standbys: 8 })
    const entry = marks.author(1)
    // So many draws before: another phase.
    for (let i = 0; i < first; i++) {
      marks.accept(entry)
      marks.pass(10_000)
    }
    const startMs = marks.nowMs - START_MS
    marks.accept(entry)
    const told = marks.pass(20_000).filter(({ have }) => have === 'summary')
    const times = [...new Set(told.map(({ atMs }) => atMs - startMs))]
    t.true(times.length === 3 || times.length === 4, times.join())
    for (let i = 1; i < times.length; i++) t.is((times[i] as number) - (times[i - 1] as number), 1000)
    for (const time of times) {
      const links = told.filter(({ atMs }) => atMs - startMs === time).map(({ link }) => link)
      t.is(new Set(links).size, 3)
    }
    t.true((times.at(-1) ?? 0) <= 3000)
    phases.add(times[0] as number)
    t.is(marks.haves.nextAtMs, Number.POSITIVE_INFINITY, 'quiet')
  }
  t.true(phases.size >= 4, [...phases].join())
})

test('a summary tells what changed in the last three seconds, and goes to nobody whose queue is long', t => {
  const marks = new Watermarks({ standbys: 4 })
  const [old, fresh] = [marks.author(1), marks.author(2)]
  const [slow] = marks.standbys as [Link]
  slow.flow = 'blocked'
  marks.accept(old)
  marks.pass(1500)
  marks.accept(fresh)
  const told = marks.pass(3000)
  t.true(told.length > 0)
  t.true(told.every(({ link }) => link !== slow.id))
  t.deepEqual(told[0]?.entries, ['1:1', '2:1'])
  t.deepEqual(told.at(-1)?.entries, ['2:1'])
})

test('a summary that lacks what we have is answered, once, with what it lacks', t => {
  const marks = new Watermarks({ standbys: 1 })
  const [link] = marks.standbys as [Link]
  const [lacked, had, fresh, past] = [marks.author(1), marks.author(2), marks.author(3), marks.author(4)]
  marks.accept(past)
  marks.nowMs += 1900
  for (const entry of [lacked, had]) marks.accept(entry)
  marks.nowMs += 200
  marks.accept(fresh)
  marks.haves.heard(link, 'summary', new Map([[had.ref, 0]]), marks.nowMs)
  t.deepEqual(
    marks.take().map(({ have, entries }) => [have, ...entries]),
    [['tick', '1:1']]
  )
  marks.haves.heard(link, 'tick', new Map(), marks.nowMs)
  t.deepEqual(marks.take(), [], 'an answer is not answered')
})

test('who fills a hole of ours is told what it lacks above that hole', t => {
  for (const role of ['from', 'knowing'] as const) {
    const marks = new Watermarks({ active: 2 })
    const [lower, higher] = marks.active as [Link, Link]
    const entry = marks.author(1)
    marks.accept(entry, { seq: 1, from: higher })
    marks.accept(entry, {
      seq: 0,
      ...(role === 'from' ? { from: lower } : { from: higher, knowing: [lower] })
    })
    const told = marks.pass(1000).filter(({ link }) => link === lower.id)
    t.deepEqual(
      told.map(({ entries }) => entries),
      [['1:2']],
      role
    )
  }
})

test('who is pushed what fills a hole of ours is told what it lacks above it as soon as before', t => {
  const marks = new Watermarks({ active: 2 })
  const [lower, higher] = marks.active as [Link, Link]
  const entry = marks.author(1)
  marks.accept(entry, { seq: 1, from: higher })
  marks.accept(entry, { seq: 0, from: higher, pushed: [lower] })
  t.deepEqual(
    marks.pass(300).map(({ link, entries }) => [link, entries]),
    [[lower.id, ['1:2']]]
  )
})

test('who may have only part of what fills a hole of ours hears of the rest after a second', t => {
  const marks = new Watermarks({ active: 2 })
  const [lower, higher] = marks.active as [Link, Link]
  const entry = marks.author(1)
  marks.accept(entry, { seq: 1, from: lower })
  marks.accept(entry, { seq: 0, from: higher, knowing: [lower] })
  t.deepEqual(
    marks
      .pass(1200)
      .filter(({ link }) => link === lower.id)
      .map(({ have, entries }) => [have, entries]),
    [['tick', ['1:2']]]
  )
})
