/**
 * Members that say on the channel of a party what no Party would. Each is a real Party, so that it gets as far as a member
 * does, and beside it somebody writes frames by hand. Whatever they are: the process lives, an honest member is answered
 * all the while, no feed is opened and no byte is written.
 */
import { fileURLToPath } from 'node:url'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import type { ConnectionBinding } from '@hearsay/gossip/core'
import type { PartyRules } from '@hearsay/party'
import { encodeFrame, encodeHello, FrameKind, LIMITS, type PartyFrame, PartyKeys } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import Protomux, { type Channel } from 'protomux'
import { startNode } from '../support/child.js'
import {
  bytesIn,
  connectParties,
  onlyPeer,
  PARTY_KEY,
  type PartyNode,
  partyNode
} from '../support/party-node.js'
import { RAW } from '../support/raw-peer.js'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { until, within } from '../support/until.js'

interface Enemy {
  send(kind: number, bytes: Uint8Array): void
  /** Writes all that is sent in it in one piece. */
  atOnce(send: () => void): void
  isCut(): boolean
  isDead(): boolean
}

interface Stage {
  readonly victim: PartyNode
  /** A hostile member: sends one frame of a kind. */
  enemy(): Promise<Enemy>
  /** The honest member is answered; nothing was opened or written. */
  goesOn(): Promise<void>
}

async function underAttack(t: ExecutionContext, options: { rules?: PartyRules } = {}): Promise<Stage> {
  const onRequest: PartyRules['onRequest'] = ({ message }) => ({ type: 'answer', value: message.value })
  const victim = await partyNode(t, { rules: { onRequest, ...options.rules } })
  const friend = await partyNode(t)
  connectParties(friend.party, victim.party)
  const peer = await onlyPeer(friend.party)
  await onlyPeer(victim.party)
  const before = await bytesIn(victim.folder)
  let asked = 0
  return {
    victim,
    async enemy() {
      const { party } = await partyNode(t)
      const { channel, a, b } = connectParties(victim.party, party)
      await onlyPeer(party)
      await until(() => victim.party.peers.size === 2)
      const raw = channel()
      return {
        send: (kind, bytes) => void raw.messages[kind]?.send(bytes),
        atOnce(send) {
          const mux = Protomux.from(b)
          mux.cork()
          send()
          mux.uncork()
        },
        isCut: () => raw.closed,
        isDead: () => a.destroyed
      }
    },
    async goesOn() {
      t.like(await peer.request({ type: 'ask', value: ++asked }), { value: asked })
      t.is(victim.party.feeds.size, 0)
      t.is(await bytesIn(victim.folder), before, 'bytes on disk')
      t.false(victim.party.closed)
    }
  }
}

const crypto = cryptoFor(createKeyPair())
const keys = new PartyKeys(crypto, PARTY_KEY)
const frame = (one: PartyFrame): Uint8Array => encodeFrame(one)
const zeros = (size: number): Uint8Array => new Uint8Array(size)

test('X27 garbage of each kind closes the channel of its sender at most', async t => {
  const { victim, enemy, goesOn } = await underAttack(t)
  for (const kind of Object.values(FrameKind)) {
    const { send, isDead } = await enemy()
    for (const bytes of [
      [],
      [255],
      Array(9).fill(255),
      Array(300).fill(kind),
      Array(60).fill(0),
      [1, 255, 255, 255]
    ]) {
      send(kind, new Uint8Array(bytes))
    }
    await goesOn()
    t.false(isDead(), `the stream, after kind ${kind}`)
    await closeEnemies(victim)
  }
})

test('D23 X10 a frame over the limit closes the channel before it is decoded', async t => {
  const { victim, enemy, goesOn } = await underAttack(t)
  for (const kind of [FrameKind.REQUEST, FrameKind.RECORDS, FrameKind.INTRODUCE]) {
    const { send, isCut, isDead } = await enemy()
    send(kind, zeros(LIMITS.maxFrameBytes + 1))
    await until(() => isCut())
    await until(() => victim.party.peers.size === 1)
    t.false(isDead())
    await goesOn()
  }
})

/** Somebody with a muxer of his own; he may know the party key, and has no Party. */
async function rawParty(victim: PartyNode): Promise<{
  channel: Channel
  mux: Protomux
  binding: ConnectionBinding
  /** Kinds of the frames that came. */
  received: number[]
  closed(): boolean
  isDead(): boolean
}> {
  const pair = noisePair()
  victim.party.attach(pair.a)
  const mux = Protomux.from(pair.b)
  await Promise.all([pair.a.opened, pair.b.opened])
  const id = keys.channelId(pair.b.handshakeHash)
  const protocol = 'hearsay/party/1'
  await new Promise<void>(resolve => mux.pair({ protocol, id }, () => resolve()))
  const received: number[] = []
  let isClosed = false
  const channel = mux.createChannel({
    protocol,
    id,
    handshake: RAW,
    messages: Array.from({ length: 18 }, (_, kind) => ({
      encoding: RAW,
      onmessage: () => received.push(kind)
    })),
    onclose: () => {
      isClosed = true
    }
  })
  if (channel === null) throw new Error('no channel')
  const { isInitiator, handshakeHash, publicKey, remotePublicKey } = pair.b
  const binding = { isInitiator, handshakeHash, publicKey, remotePublicKey }
  return { channel, mux, binding, received, closed: () => isClosed, isDead: () => pair.a.destroyed }
}

test('X27 B35 a hello of garbage, of another version, or with a wrong proof: no peer, no answer, nothing behind it read', async t => {
  const { victim, goesOn } = await underAttack(t)
  const right = { version: 1, features: 0, maxFrameBytes: LIMITS.maxFrameBytes }
  const hellos = {
    nothing: zeros(0),
    'one byte': zeros(1),
    ones: zeros(60).fill(255),
    'too long': zeros(300),
    'a proof of zeros': encodeHello({ ...right, proof: zeros(32) }),
    'another version': encodeHello({ ...right, version: 2, proof: zeros(32) }),
    'a proof of the discovery key': null
  }
  for (const [name, hello] of Object.entries(hellos)) {
    for (const isFollowed of [false, true]) {
      const { channel, mux, binding, received, closed, isDead } = await rawParty(victim)
      const proof = new PartyKeys(crypto, victim.party.discoveryKey).proof(binding, 'own')
      const warned = victim.warnings.length
      mux.cork()
      channel.open(hello ?? encodeHello({ ...right, proof }))
      if (isFollowed) for (let kind = 0; kind < 18; kind++) channel.messages[kind]?.send(zeros(40))
      mux.uncork()
      await until(() => closed())
      await until(() => victim.warnings.length > warned, { what: `a warning of ${name}` })
      t.deepEqual(received, [], name)
      t.false(isDead())
      t.is(victim.party.peers.size, 1)
    }
    await goesOn()
  }
  const codes = victim.warnings.map(warning => (warning as Error & { code: string }).code)
  t.is(codes.filter(code => code === 'WARN_PARTY_VERSION').length >= 2, true)
  t.true(codes.filter(code => code === 'WARN_PARTY_BAD_PROOF').length >= 4)
})

test('B17 B35 who proves the party key but not the author is no peer, and hears of no feed', async t => {
  const { victim, goesOn } = await underAttack(t)
  const friend = [...victim.party.peers][0]?.author as Uint8Array
  const mine = createKeyPair()
  for (const [name, author, signed] of [
    ['an author of another', friend, true],
    ['an author of its own, unsigned', mine.publicKey, false],
    ['the author of the victim', victim.party.feeds.author, true]
  ] as const) {
    const { channel, binding, received, closed } = await rawParty(victim)
    const hello = {
      version: 1,
      proof: keys.proof(binding, 'own'),
      features: 0,
      maxFrameBytes: LIMITS.maxFrameBytes
    }
    channel.open(encodeHello(hello))
    await until(() => received.includes(FrameKind.BIND), { what: 'the proof is right' })
    const signature = signed ? cryptoFor(mine).sign(keys.authorDigest(binding, 'own')) : zeros(64)
    channel.messages[FrameKind.BIND]?.send(
      frame({ type: 'bind', author, signature, setVersion: 0, agent: '', credential: zeros(0) })
    )
    await until(() => closed(), { what: name })
    t.false(
      received.some(kind => kind === FrameKind.INTRODUCE || kind === FrameKind.RECORDS),
      name
    )
    t.is(victim.party.peers.size, 1, name)
    await goesOn()
  }
  const codes = victim.warnings.map(warning => (warning as Error & { code: string }).code)
  t.is(codes.filter(code => code === 'WARN_PARTY_BAD_BINDING').length, 3)
})

test('X29 grants, lengths, answers and responses for what nobody asked are ignored', async t => {
  const { victim, enemy, goesOn } = await underAttack(t)
  const { send } = await enemy()
  const slots = Array.from({ length: 100 }, () => createKeyPair().publicKey.slice(0, 16))
  const key = createKeyPair().publicKey
  for (let round = 0; round < 20; round++) {
    send(FrameKind.GRANT, frame({ type: 'grant', isGranted: round % 2 === 0, slots, reason: 0 }))
    send(
      FrameKind.LENGTHS,
      frame({
        type: 'lengths',
        entries: slots.map(slot => ({ slot, fork: 0, length: 2 ** 47, complete: 1 }))
      })
    )
    const results = [{ key, verdict: 'accepted', reason: '' }] as const
    send(FrameKind.ANSWER, frame({ type: 'answer', call: round, results }))
    send(FrameKind.RESPONSE, frame({ type: 'response', call: round, name: 'x', value: zeros(1) }))
    send(FrameKind.ERROR, frame({ type: 'error', call: 2 ** 40, code: 'E', message: 'm' }))
    send(FrameKind.SYNCED, frame({ type: 'synced', round, missing: 2 ** 40 }))
    if (round % 5 === 0) await goesOn()
  }
  await goesOn()
  t.true(victim.party.peers.size >= 1)
})

test('X10 a flood of requests, ephemeral messages and records stops at the bounds, and the friend is answered', async t => {
  let called = 0
  let heard = 0
  const handlers: PartyRules = {
    onRequest: ({ message }) => {
      if (message.type === 'ask') return { type: 'answer', value: message.value }
      called++
      return new Promise(() => {})
    },
    onEphemeralMessage: () => {
      heard++
    }
  }
  const { victim, enemy, goesOn } = await underAttack(t, { rules: handlers })
  const requests = await enemy()
  const nothing = new Uint8Array([0xc0])
  requests.atOnce(() => {
    for (let call = 1; call <= 2000; call++) {
      requests.send(FrameKind.REQUEST, frame({ type: 'request', call, name: 'hang', value: nothing }))
    }
  })
  await until(() => called >= LIMITS.maxCalls || requests.isCut(), {
    what: 'as many handlers as are allowed'
  })
  await goesOn()
  t.is(called, LIMITS.maxCalls)
  await closeEnemies(victim)
  const chatter = await enemy()
  chatter.atOnce(() => {
    const bytes = frame({ type: 'ephemeral', name: 'n', value: nothing })
    for (let i = 0; i < 2000; i++) chatter.send(FrameKind.EPHEMERAL, bytes)
  })
  await until(() => heard >= LIMITS.ephemeralPerSecond, { what: 'as many messages as are allowed' })
  await goesOn()
  t.true(heard <= LIMITS.ephemeralPerSecond * 4, `${heard} heard`)
  await closeEnemies(victim)
  const forger = await enemy()
  const record = new Uint8Array(300).fill(1)
  forger.atOnce(() => {
    for (let call = 1; call <= 500; call++) {
      forger.send(FrameKind.INTRODUCE, frame({ type: 'introduce', call, records: [record] }))
    }
  })
  await until(() => forger.isCut())
  await goesOn()
  t.false(forger.isDead())
})

async function closeEnemies({ party }: PartyNode): Promise<void> {
  const [friend] = party.peers
  for (const peer of party.peers) if (peer !== friend) await peer.close()
  await until(() => party.peers.size === 1)
}

test('X10 a nesting bomb as the value of a request is the fault of its sender, not the end of the process', async t => {
  const { victim, enemy, goesOn } = await underAttack(t)
  const { send } = await enemy()
  const bombs = [
    zeros(60_000).fill(0x91),
    new Uint8Array([0xdd, 255, 255, 255, 255]),
    new Uint8Array([0xc1]),
    zeros(0)
  ]
  for (const [i, value] of bombs.entries()) {
    send(FrameKind.REQUEST, frame({ type: 'request', call: i + 1, name: 'ask', value }))
    send(FrameKind.EPHEMERAL, frame({ type: 'ephemeral', name: 'ask', value }))
  }
  await goesOn()
  t.true(victim.party.peers.size >= 1)
})

test('X27 a second BIND, a READY again, and comparisons without end close the channel or do nothing', async t => {
  const { victim, enemy, goesOn } = await underAttack(t)
  const binder = await enemy()
  const { publicKey } = createKeyPair()
  binder.send(
    FrameKind.BIND,
    frame({
      type: 'bind',
      author: publicKey,
      signature: zeros(64),
      setVersion: 0,
      agent: '',
      credential: zeros(0)
    })
  )
  await until(() => binder.isCut())
  await goesOn()
  await until(() => victim.party.peers.size === 1)
  const ready = await enemy()
  for (let i = 0; i < 100; i++) ready.send(FrameKind.READY, frame({ type: 'ready' }))
  await goesOn()
  await closeEnemies(victim)
  const rounds = await enemy()
  for (let kind = FrameKind.ROOT; kind <= FrameKind.DONE; kind++) {
    for (let i = 0; i < 300; i++) rounds.send(kind, new Uint8Array([1, 1 + (i % 200), ...zeros(60)]))
  }
  await goesOn()
  t.true(victim.party.peers.size >= 1)
})

test('X17 a closed party holds no process up, whether a rule still hangs or has refused', async t => {
  const file = fileURLToPath(new URL('./closing-process.js', import.meta.url))
  for (const mode of ['refuse', 'hang']) {
    const folders = [await temporaryFolder(t), await temporaryFolder(t)]
    const child = startNode(t, [file, mode, ...folders])
    await child.line(/^closed$/)
    const exit = await within(child.exit, { ms: 2500, what: `the end of the process, ${mode}` })
    t.deepEqual(exit, { code: 0, signal: null }, mode)
    t.deepEqual(child.errors, [])
  }
})
