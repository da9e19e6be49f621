import { encodeFrame, frameIndex, type PartyFrame, signRecord } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import { ACCEPT, bindingsOf, CoreNode, PARTY_KEY, Wire } from './support-core.js'

const tell = (node: CoreNode, frame: PartyFrame, channel = 1): void => {
  node.step({ type: 'frame', channel, kind: frameIndex(frame.type), bytes: encodeFrame(frame) })
}
const holds = (node: CoreNode, bytes: Uint8Array): boolean =>
  node.all('send').some(effect => b4a.includes(effect.bytes, bytes))
const phases = (node: CoreNode) => ({
  added: node.all('peerAdd').length,
  live: node.all('live').length,
  removed: node.all('peerRemove').length,
  down: node.all('channelDown').map(effect => effect.reason)
})

test('two members become LIVE, and an introduction ends in a grant on both sides', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  new Wire(a, b).run()
  t.deepEqual(phases(a), { added: 1, live: 1, removed: 0, down: [] })
  t.deepEqual(phases(b), { added: 1, live: 1, removed: 0, down: [] })
  t.true(b.has(key))
  t.is(b.all('grant').length, 1)
  t.is(a.all('grant').length, 1)
})

test('a peer without the party key is sent nothing but the hello, and what it pipelines does nothing', t => {
  const a = new CoreNode(1)
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  const stranger = new CoreNode(2, {}, {}, new Uint8Array(32).fill(1))
  const [ours, theirs] = bindingsOf(1, 2)
  const before = a.effects.length
  a.step({ type: 'channelUp', channel: 1, binding: ours, hello: stranger.core.ownHello(theirs) })
  tell(a, { type: 'ready' })
  tell(a, { type: 'request', call: 1, name: 'x', value: new Uint8Array(0) })
  const effects = a.effects.slice(before).map(effect => effect.type)
  t.deepEqual(effects, ['warning', 'closeChannel', 'channelDown'])
  t.false(b4a.includes(a.core.ownHello(ours), PARTY_KEY))
  t.false(holds(a, key))
  // Refused for a while, also with the right proof.
  const member = new CoreNode(2)
  a.step({ type: 'channelUp', channel: 2, binding: ours, hello: member.core.ownHello(theirs) })
  t.deepEqual(phases(a).down, ['bad-proof', 'backoff'])
  a.pass(60_001)
  a.step({ type: 'channelUp', channel: 3, binding: ours, hello: member.core.ownHello(theirs) })
  t.is(phases(a).down.length, 2)
})

test('B35 our own proof, reflected, proves nothing', t => {
  const a = new CoreNode(1)
  const [ours] = bindingsOf(1, 2)
  a.step({ type: 'channelUp', channel: 1, binding: ours, hello: a.core.ownHello(ours) })
  t.deepEqual(phases(a).down, ['bad-proof'])
})

test('B17 the author of another cannot be claimed', t => {
  const a = new CoreNode(1)
  const liar = new CoreNode(2)
  const victim = new CoreNode(3)
  const wire = new Wire(a, liar)
  wire.filter = (from, kind, bytes) => {
    if (from !== liar || kind !== 0) return bytes
    const forged = bytes.slice()
    forged.set(victim.crypto.author, 0)
    return forged
  }
  wire.run()
  t.deepEqual(phases(a), { added: 0, live: 0, removed: 0, down: ['bad-binding'] })
})

test('a frame in the wrong phase closes the channel, before it is decoded', t => {
  for (const frame of [
    { type: 'ready' },
    { type: 'request', call: 1, name: 'x', value: new Uint8Array(0) },
    { type: 'introduce', call: 1, records: [] }
  ] as const) {
    const a = new CoreNode(1)
    const b = new CoreNode(2)
    const [ours, theirs] = bindingsOf(1, 2)
    a.step({ type: 'channelUp', channel: 1, binding: ours, hello: b.core.ownHello(theirs) })
    tell(a, frame)
    t.deepEqual(phases(a).down, ['wrong-phase'], frame.type)
  }
})

test('no feed key is sent before our rules agreed; a refusal sends none at all', t => {
  const a = new CoreNode(1, { handshake: () => undefined })
  const b = new CoreNode(2)
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  const wire = new Wire(a, b)
  wire.run()
  t.is(phases(a).added, 1)
  t.false(holds(a, key))
  const { question } = a.all('ask')[0] as { question: number }
  a.step({ type: 'answer', question, answer: { about: 'handshake', agreed: false, reason: 'no' } })
  wire.run()
  t.false(holds(a, key))
  t.deepEqual(phases(a), { added: 1, live: 0, removed: 1, down: ['refused'] })
  t.is(phases(b).removed, 1)
  a.step({ type: 'answer', question, answer: { about: 'handshake', agreed: true, reason: '' } })
  t.is(phases(a).live, 0)
})

test('what names feeds or compares them closes the channel before our READY; a ROOT is held', t => {
  const root = { round: 1, count: 0, fp: new Uint8Array(16) }
  const frames: [PartyFrame, boolean][] = [
    [{ type: 'introduce', call: 1, records: [] }, true],
    [{ type: 'lengths', entries: [] }, true],
    [{ type: 'grant', isGranted: true, slots: [], reason: 0 }, true],
    [{ type: 'nodes', set: 1, round: 1, nodes: [] }, true],
    [{ type: 'records', set: 1, round: 0, isLast: true, records: [] }, true],
    [{ type: 'root', set: 1, ...root }, false],
    [{ type: 'root', set: 2, ...root }, false],
    [{ type: 'ephemeral', name: 'x', value: new Uint8Array(0) }, false]
  ]
  for (const [frame, isClosed] of frames) {
    const a = new CoreNode(1, { handshake: () => undefined })
    const b = new CoreNode(2, { handshake: () => undefined })
    new Wire(a, b).run()
    tell(a, frame)
    t.deepEqual(phases(a).down, isClosed ? ['wrong-phase'] : [], frame.type)
  }
})

test('a peer whose rules never answer is gone after the deadline', t => {
  const a = new CoreNode(1, { handshake: () => undefined })
  const b = new CoreNode(2)
  new Wire(a, b).run()
  a.pass(9_999)
  t.is(phases(a).removed, 0)
  a.pass(2)
  t.deepEqual(phases(a).down, ['rules-timeout'])
})

test('C20 a peer that sends no BIND is gone after 5 s', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const wire = new Wire(a, b)
  wire.filter = (from, _, bytes) => (from === b ? null : bytes)
  wire.run()
  a.pass(5_001)
  t.deepEqual(phases(a), { added: 0, live: 0, removed: 0, down: ['timeout'] })
})

test('a feed revoked while the rules were thinking stays closed', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2, { introduce: () => undefined })
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  const wire = new Wire(a, b)
  wire.run()
  const { question } = b.all('ask').find(ask => ask.about === 'introduce') as { question: number }
  a.step({ type: 'revoke', key, cutoff: null, purge: false, reason: '', job: 2 })
  wire.run()
  b.step({ type: 'answer', question, answer: ACCEPT })
  t.false(b.has(key))
  t.is(b.all('authorize').length, 0)
  // Told again, it isn't even asked about.
  const asked = b.all('ask').length
  const replay = a
    .frames()
    .flatMap(frame => (frame.type === 'records' && frame.set === 1 ? frame.records : []))
  t.true(replay.length > 0)
  for (const record of replay) b.step({ type: 'gossiped', record, channel: null })
  t.is(b.all('ask').length, asked)
})

test('a feed revoked while its acceptance was being written stays closed and is not passed on', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const c = new CoreNode(3)
  const ab = new Wire(a, b, 1)
  const bc = new Wire(b, c, 2)
  ab.run()
  bc.run()
  b.isDiskHeld = true
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  ab.run()
  const authorize = b.held.find(effect => effect.type === 'authorize')
  t.truthy(authorize)
  a.step({ type: 'revoke', key, cutoff: null, purge: false, reason: '', job: 2 })
  ab.run()
  // The disk says yes, although the set was told otherwise meanwhile; then the set says what it does.
  b.step({ type: 'logged', job: (authorize as { job: number }).job, code: null })
  for (const effect of b.held) b.finish(effect, null)
  bc.run()
  ab.run()
  t.false(b.has(key))
  t.is(b.frames(2).filter(frame => frame.type === 'introduce').length, 0)
  t.is(b.frames(1).filter(frame => frame.type === 'answer').length, 0)
  t.is(b.core.counts().pending, 0)
})

test('a full disk leaves the introduction undecided', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  b.isDiskHeld = true
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  new Wire(a, b).run()
  b.finish(b.held[0] as never, 'ERR_PARTY_STORAGE')
  t.false(b.has(key))
  const [told] = b.all('introduction')
  t.truthy(told)
  b.isDiskHeld = false
  b.step({ type: 'decide', introduction: told?.introduction.id as number, accept: true, reason: '', job: 7 })
  t.true(b.has(key))
  t.deepEqual(
    b.all('done').map(({ job, code }) => [job, code]),
    [[7, null]]
  )
})

test('X16 a late or double answer to a call settles nothing twice', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2, { request: () => undefined })
  const wire = new Wire(a, b)
  wire.run()
  const call = { type: 'call', channel: 1, typeName: 'x', value: new Uint8Array(0) } as const
  a.step({ ...call, call: 1, timeoutMs: 1000 })
  a.step({ ...call, call: 2, timeoutMs: 5000 })
  wire.run()
  a.pass(1001)
  t.is(a.all('settle').length, 1)
  const answer = { about: 'request', ok: true, typeName: 'y', value: new Uint8Array(0) } as const
  for (const ask of b.all('ask')) {
    if (ask.about !== 'request') continue
    b.step({ type: 'answer', question: ask.question, answer })
    b.step({ type: 'answer', question: ask.question, answer })
  }
  wire.run()
  t.deepEqual(
    a.all('settle').map(({ call: token, result }) => [token, result.ok]),
    [
      [1, false],
      [2, true]
    ]
  )
  tell(a, { type: 'response', call: 2, name: 'again', value: new Uint8Array(0) })
  t.is(a.all('settle').length, 2)
  wire.cut()
  t.is(a.all('settle').length, 2)
})

test('an origin that is wrong, or a signature, is dropped and costs its sender the channel', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const victim = new CoreNode(3)
  const stolen = victim.own('w')
  const wire = new Wire(a, b)
  wire.run()
  const origin = stolen.introduction.origin
  const body = {
    kind: 'introduce',
    version: 1,
    createdMs: 1,
    expiresSeconds: 0,
    bundleType: '',
    keys: [stolen.key],
    origin,
    successor: null,
    meta: new Uint8Array(0)
  } as const
  const foreign = signRecord(b.crypto, b.keys, body)
  tell(a, { type: 'introduce', call: 0, records: [foreign.bytes] })
  const forged = signRecord({ author: victim.crypto.author, sign: d => b.crypto.sign(d) }, b.keys, body)
  tell(a, { type: 'introduce', call: 0, records: [forged.bytes] })
  t.deepEqual(
    a.all('drop').map(effect => effect.reason),
    ['bad-origin', 'bad-signature']
  )
  t.is(a.all('ask').filter(ask => ask.about === 'introduce').length, 0)
  tell(a, { type: 'introduce', call: 0, records: [forged.bytes] })
  t.deepEqual(phases(a).down, ['limit'])
})

test('a member cannot deny the feed of another, also not before that feed is known', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const liar = new CoreNode(3)
  const { key, introduction } = a.own('w')
  const denial = signRecord(liar.crypto, liar.keys, {
    kind: 'revoke',
    version: 99,
    feedId: liar.keys.feedId(key),
    n: 0,
    cutoff: null,
    isPurge: true,
    isCut: false,
    reason: ''
  })
  b.step({ type: 'gossiped', record: denial.bytes, channel: null })
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  const wire = new Wire(a, b)
  wire.run()
  t.true(b.has(key))
  b.step({ type: 'gossiped', record: denial.bytes, channel: null })
  t.true(b.has(key))
  // The author's own, although of a lower version, counts, and a liar's can't hide it.
  a.step({ type: 'revoke', key, cutoff: null, purge: false, reason: '', job: 2 })
  wire.run()
  t.false(b.has(key))
})

test('an author may deny before anybody knows the feed', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const { key, introduction } = a.own('w')
  const denial = signRecord(a.crypto, a.keys, {
    kind: 'revoke',
    version: 1,
    feedId: a.keys.feedId(key),
    n: 0,
    cutoff: null,
    isPurge: false,
    isCut: false,
    reason: ''
  })
  b.step({ type: 'gossiped', record: denial.bytes, channel: null })
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  new Wire(a, b).run()
  t.false(b.has(key))
  t.is(b.all('ask').filter(ask => ask.about === 'introduce').length, 0)
})

test('5,000 introductions stay within the bounds of the table', t => {
  const a = new CoreNode(1, { introduce: () => ({ about: 'introduce', verdict: 'undecided', reason: '' }) })
  const b = new CoreNode(2)
  new Wire(a, b).run()
  for (let i = 0; i < 5000; i++) {
    const key = b.crypto.hash(b4a.from(String(i)))
    const record = signRecord(b.crypto, b.keys, {
      kind: 'introduce',
      version: 1,
      createdMs: 1,
      expiresSeconds: 0,
      bundleType: '',
      keys: [key],
      origin: { kind: 'none' },
      successor: null,
      meta: new Uint8Array(0)
    })
    tell(a, { type: 'introduce', call: 0, records: [record.bytes] })
  }
  t.is(a.core.counts().pending, 64)
  t.is(a.all('authorize').length + a.all('log').length + a.all('grant').length, 0)
  const drops = a.all('drop').map(effect => effect.reason)
  t.true(drops.includes('over-budget') && drops.includes('pending-full'))
  t.is(phases(a).down.length, 0)
  a.pass(24 * 3600 * 1000 + 1)
  t.is(a.core.counts().pending, 0)
})

test('an accepted record is passed on once, and not back to where it came from', t => {
  const nodes = [1, 2, 3, 4].map(seed => new CoreNode(seed))
  const [a, b, c, d] = nodes as [CoreNode, CoreNode, CoreNode, CoreNode]
  const wires = [new Wire(a, b, 1), new Wire(b, c, 2), new Wire(b, d, 3)]
  for (const wire of wires) wire.run()
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  for (let i = 0; i < 3; i++) for (const wire of wires) wire.run()
  t.true([b, c, d].every(node => node.has(key)))
  const sent = (node: CoreNode) => node.frames().filter(frame => frame.type === 'introduce').length
  t.deepEqual([sent(a), sent(b), sent(c), sent(d)], [1, 2, 0, 0])
})

test('two connections of one member: the rules are asked once, and it is removed once', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const one = new Wire(a, b, 1)
  one.run()
  const two = new Wire(a, b, 2)
  two.run()
  t.is(a.all('ask').length, 1)
  t.is(a.all('live').length, 2)
  t.is(a.all('peerJoin').length, 1)
  one.cut()
  t.is(phases(a).removed, 0)
  two.cut()
  t.deepEqual([phases(a).added, phases(a).removed], [1, 1])
})
