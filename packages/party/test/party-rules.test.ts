import { type Party, type PartyRules, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { CoreNode, PARTY_KEY, Wire } from './support-core.js'
import { connect, newParty, until } from './support-parties.js'

async function written(party: Party, name = 'w') {
  const feed = await party.feeds.writer(name)
  await feed.append(b4a.from(name))
  await party.introduce(feed)
  return feed
}

/** A party that collects its warnings. */
async function warned(t: ExecutionContext, seed: number, of: PartyRules, limits = {}) {
  const party = await newParty(t, seed, { rules: of, limits })
  const warnings: string[] = []
  party.on('warning', error => warnings.push(error.message))
  return { party, warnings }
}

/** The multiplexer of the only connection of a party: what another party can be attached to. */
function muxOf(party: Party): never {
  const [peer] = party.peers
  return (peer as unknown as { link: { connection: { mux: never } } }).link.connection.mux
}

const never = () => new Promise<never>(() => {})
const BAD_VERDICTS: [string, NonNullable<PartyRules['onIntroduceFeeds']>, RegExp][] = [
  [
    'throws',
    () => {
      throw new Error('mine')
    },
    /onIntroduceFeeds threw: mine/
  ],
  ['rejects with nothing', () => Promise.reject(undefined), /onIntroduceFeeds threw: undefined/],
  ['hangs', never, /onIntroduceFeeds took too long/],
  ['answers a text', () => 'yes' as never, /onIntroduceFeeds threw: it answered a string/],
  ['answers keys that are none', () => [7] as never, /onIntroduceFeeds threw: it answered a object/]
]

for (const [name, onIntroduceFeeds, pattern] of BAD_VERDICTS) {
  test(`X14 B6 a rule that ${name} refuses, and is reported once`, async t => {
    const { party: b, warnings } = await warned(t, 2, { onIntroduceFeeds }, { ruleTimeoutMs: 100 })
    const a = await newParty(t, 1, { rules: rules.open() })
    const reasons: string[] = []
    b.on('reject', event => reasons.push(event.reason))
    connect(a, b)
    await written(a, 'first')
    await written(a, 'second')
    await until('both are rejected', () => reasons.length === 2)
    t.is(b.feeds.size, 0)
    t.is(warnings.length, 1)
    t.regex(warnings[0] ?? '', pattern)
  })
}

test('X16 an answer that comes after its time changes nothing', async t => {
  let answer: (verdict: boolean) => void = () => {}
  const late = new Promise<boolean>(resolve => {
    answer = resolve
  })
  const { party: b } = await warned(t, 2, { onIntroduceFeeds: () => late }, { ruleTimeoutMs: 50 })
  const a = await newParty(t, 1, { rules: rules.open() })
  const rejected = new Promise(resolve => b.once('reject', resolve))
  connect(a, b)
  await written(a)
  await rejected
  answer(true)
  await late
  await new Promise(resolve => setImmediate(resolve))
  t.is(b.feeds.size, 0)
})

test('share that answers a promise, or throws, hides the feed and is reported', async t => {
  for (const share of [
    async () => true,
    () => {
      throw new Error('mine')
    }
  ] as never[]) {
    const { party: a, warnings } = await warned(t, 1, { ...rules.open(), share })
    const b = await newParty(t, 2, { rules: rules.open() })
    const feed = await written(a)
    const wire = connect(a, b)
    const mark = await written(b)
    await until('they are LIVE', () => a.feeds.has(mark.key))
    t.false(b.feeds.has(feed.key))
    t.false(wire.sent.some(bytes => b4a.indexOf(b4a.from(bytes), feed.key) >= 0))
    t.is(warnings.length, 1)
  }
})

test('B5 other rules judge what is pending and what was rejected; what was accepted stays', async t => {
  const limits = { roundEveryMs: 0 } // else the rejected ones are pulled again after ten seconds
  const a = await newParty(t, 1, { rules: rules.open(), limits })
  const verdicts = [true, false, undefined]
  const b = await newParty(t, 2, { rules: { onIntroduceFeeds: () => verdicts.shift() }, limits })
  connect(a, b)
  const accepted = await written(a, 'accepted')
  await until('one is accepted', () => b.feeds.has(accepted.key))
  const refused = new Promise(resolve => b.once('reject', resolve))
  const rejected = await written(a, 'rejected')
  await refused
  const told = new Promise(resolve => b.once('introduction', resolve))
  const pending = await written(a, 'pending')
  await told
  t.is(b.feeds.size, 1)
  b.setRules(rules.open())
  await until('the others are there', () => [pending, rejected].every(feed => b.feeds.has(feed.key)))
  b.setRules({ onIntroduceFeeds: () => false })
  t.is(b.feeds.size, 3)
})

test('B5 a comparison that the new rules want waits for its time instead of being ignored', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2, { introduce: () => ({ about: 'introduce', verdict: 'reject', reason: 'no' }) })
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  const wire = new Wire(a, b)
  wire.run()
  b.rules.introduce = () => ({ about: 'introduce', verdict: 'accept', reason: '' })
  a.pass(1000)
  b.pass(1000)
  b.step({ type: 'setRules' })
  wire.run()
  t.false(b.has(key))
  a.pass(10_000)
  b.pass(10_000)
  wire.run()
  t.true(b.has(key))
})

test('B11 B33 B57 X17 a handshake that refuses closes the channel of its party, and no other on the connection', async t => {
  const keys = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const
  const open = await Promise.all([1, 2].map(seed => newParty(t, seed, { key: keys[0], rules: rules.open() })))
  const [a, b] = open as [Party, Party]
  const shut = {
    handshake: () => {
      throw new Error('mine')
    }
  }
  const c = await newParty(t, 3, { key: keys[1], rules: shut })
  const d = await newParty(t, 4, { key: keys[1], rules: rules.open() })
  const warning = new Promise<Error>(resolve => c.once('warning', resolve))
  connect(a, b)
  await until('they are peers', () => a.peers.size + b.peers.size === 2)
  const removed = new Promise(resolve => d.once('peer-remove', resolve))
  c.attach(muxOf(a))
  d.attach(muxOf(b))
  t.regex((await warning).message, /handshake threw: mine/)
  await removed
  t.is(c.peers.size, 0)
  const feed = await written(a)
  await until('the other party goes on', () => b.feeds.has(feed.key))
})

test('GRANT(0) goes to whom the feed was granted, and ends what is waited for from us', t => {
  const share = (channel: number) => channel !== 2
  const a = new CoreNode(1, {}, {}, PARTY_KEY, { share })
  const [b, c] = [2, 3].map(seed => new CoreNode(seed)) as [CoreNode, CoreNode]
  const wires = [new Wire(a, b, 1), new Wire(a, c, 2)]
  const run = () => {
    for (let i = 0; i < 3; i++) for (const wire of wires) wire.run()
  }
  run()
  const { key, introduction } = a.own('w')
  a.step({ type: 'feedLength', key, fork: 0, length: 3, complete: 3, isWanted: true })
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  run()
  b.step({ type: 'sync', call: 1 })
  run()
  t.is(b.all('settle').length, 0, 'it waits for the blocks')
  a.step({ type: 'feedRemoved', key })
  run()
  const ended = (channel: number) =>
    a.frames(channel).filter(frame => frame.type === 'grant' && !frame.isGranted)
  t.is(ended(1).length, 1)
  t.is(ended(2).length, 0)
  b.step({ type: 'sync', call: 2 })
  run()
  t.is(b.all('settle').filter(settled => settled.call === 2).length, 1, 'nothing is missing from it any more')
})
