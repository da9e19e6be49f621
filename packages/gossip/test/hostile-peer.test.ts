/**
 * Peers that speak Protomux by hand and send what no honest one would.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createKeyPair, cryptoFor, Gossip, type Message, publicTopicKey } from '@hearsay/gossip'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import Protomux, { type Channel } from 'protomux'
import { channelIdOf } from '#gossip/core/keys'
import { TopicCore } from '#gossip/core/topic-core'
import { LIMITS, type Limits } from '#gossip/limits'
import { noisePair, turns, until } from './support/streams.js'

const RAW = {
  preencode(state: { end: number }, value: Uint8Array) {
    state.end += value.byteLength
  },
  encode(state: { buffer: Uint8Array | null; start: number }, value: Uint8Array) {
    state.buffer?.set(value, state.start)
    state.start += value.byteLength
  },
  decode(state: { buffer: Uint8Array | null; start: number; end: number }) {
    const value = state.buffer?.subarray(state.start, state.end) ?? new Uint8Array(0)
    state.start = state.end
    return value
  }
}

const keyPair = createKeyPair()
const crypto = cryptoFor(keyPair)
const topicKey = publicTopicKey('cats')

/** A Gossip that is spoken to by a raw muxer. */
async function attacked(t: ExecutionContext, limits: Partial<Limits> = {}) {
  const gossip = new Gossip({ limits })
  t.teardown(() => gossip.close())
  const topic = gossip.join('cats')
  const messages: Message[] = []
  const warnings: (Error & { code?: string })[] = []
  topic.on('message', (_data, message) => messages.push(message))
  topic.on('warning', warning => warnings.push(warning))
  const [mine, theirs] = noisePair()
  gossip.attach(mine)
  await Promise.all([mine.opened, theirs.opened])
  return { gossip, topic, messages, warnings, mine, theirs, ...rawPeer(theirs) }
}

function rawPeer(stream: NoiseSecretStream) {
  const mux = Protomux.from(stream)
  const core = new TopicCore({
    topicKey,
    author: keyPair.publicKey,
    crypto,
    limits: LIMITS,
    startMs: Date.now()
  })
  const binding = {
    ...stream,
    isInitiator: stream.isInitiator,
    handshakeHash: stream.handshakeHash,
    publicKey: stream.publicKey,
    remotePublicKey: stream.remotePublicKey
  }
  let opened = 0
  let closed = 0
  const id = channelIdOf(crypto, core.topicId, stream.handshakeHash)
  const open = (): Channel => {
    const channel = mux.createChannel({
      protocol: 'hearsay/gossip/1',
      id,
      handshake: RAW,
      messages: Array.from({ length: 12 }, () => ({ encoding: RAW, onmessage() {} })),
      onopen() {
        opened++
      },
      onclose() {
        closed++
      }
    })
    if (channel === null) throw new Error('no channel')
    return channel
  }
  return { mux, id, open, hello: () => core.ownHello(binding), opened: () => opened, closed: () => closed }
}

test('an honest raw peer is linked, so these tests attack what is there', async t => {
  const { topic, open, hello } = await attacked(t)
  open().open(hello())
  await until(() => topic.peers().length === 1)
  t.pass()
})

test('a garbage hello closes the channel, not the stream, and later attempts are refused', async t => {
  const garbage = [
    new Uint8Array(0),
    new Uint8Array(1),
    new Uint8Array(64).fill(255),
    new Uint8Array(256).fill(1)
  ]
  for (const bytes of garbage) {
    const { topic, gossip, open, hello, mine, closed } = await attacked(t)
    open().open(bytes)
    await until(() => closed() === 1)
    open().open(hello())
    await until(() => closed() === 2)
    t.is(topic.peers().length, 0)
    t.is(gossip.stats.linksOpened, 0)
    t.false(mine.destroyed)
  }
})

test('a hello over the limit closes the channel with a warning', async t => {
  const { open, closed, mine, warnings } = await attacked(t)
  open().open(new Uint8Array(100_000))
  await until(() => closed() === 1)
  await until(() => warnings.length === 1)
  t.regex(warnings[0]?.message ?? '', /100000 bytes, limit is 256/)
  t.false(mine.destroyed)
})

test('after the back-off the channel is opened again, so that a link is not lost for ever', async t => {
  const { topic, open, hello, mux, id, closed } = await attacked(t, { proofBackoffMs: 50 })
  open().open(new Uint8Array(64))
  await until(() => closed() === 1)
  // From now on it waits to be asked.
  mux.pair({ protocol: 'hearsay/gossip/1', id }, () => open().open(hello()))
  await until(() => topic.peers().length === 1)
  t.pass()
})

test('frames that are pipelined after a wrong proof are not interpreted', async t => {
  const { gossip, open, hello, mux, mine, messages, warnings, closed } = await attacked(t)
  const wrong = new Uint8Array(hello())
  wrong[5] = (wrong[5] as number) ^ 1
  mux.cork()
  const channel = open()
  channel.open(wrong)
  for (let kind = 0; kind < 11; kind++) channel.messages[kind]?.send(new Uint8Array(50).fill(kind))
  mux.uncork()
  for (let i = 0; i < 20; i++) channel.messages[1]?.send(new Uint8Array(50))
  await until(() => closed() === 1)
  await turns(20)
  t.is(gossip.stats.badProofs, 1)
  t.is(warnings[0]?.code, 'WARN_GOSSIP_BAD_PROOF')
  t.is((warnings[0] as { peer?: unknown }).peer, [...gossip.peers][0] as unknown)
  t.is(gossip.stats.verified, 0)
  t.is(gossip.stats.drops.malformed ?? 0, 0)
  t.is(messages.length, 0)
  t.false(mine.destroyed)
})

test('garbage frames of each kind close the link at most; an honest peer goes on', async t => {
  for (let kind = 0; kind < 12; kind++) {
    const { gossip, topic, open, hello, mine, messages } = await attacked(t)
    const honest = new Gossip()
    t.teardown(() => honest.close())
    const other = honest.join('cats')
    const [a, b] = noisePair()
    gossip.attach(a)
    honest.attach(b)
    const channel = open()
    channel.open(hello())
    await until(() => topic.peers().length === 2 && other.peers().length === 1)
    for (const bytes of [
      [],
      [255],
      [255, 255, 255, 255, 255, 255, 255, 255, 255],
      Array(3000).fill(kind),
      Array(40).fill(0)
    ]) {
      channel.messages[kind]?.send(new Uint8Array(bytes))
    }
    await turns(10)
    await other.publish(kind)
    await until(() => messages.length === 1)
    t.false(mine.destroyed)
  }
})

test('a nested batch bomb ends the stream, not the process, and other peers go on', async t => {
  const { gossip, topic, theirs, mine, open, hello } = await attacked(t)
  open().open(hello())
  await until(() => topic.peers().length === 1)
  theirs.write(new Uint8Array(100_000).map((_, i) => (i === 0 ? 0 : ([0, 0, 253, 255, 255][i % 5] ?? 0))))
  await until(() => mine.destroyed)
  await until(() => gossip.peers.size === 0)
  t.is(topic.peers().length, 0)
})

test('a TypeError in the handler of another protocol ends the stream, not the process', async t => {
  const { gossip, mine, theirs } = await attacked(t)
  const crash = () => {
    throw new TypeError('crafted')
  }
  const options = { protocol: 'other', messages: [{ encoding: RAW, onmessage: crash }] }
  Protomux.from(mine).createChannel(options)?.open()
  const channel = Protomux.from(theirs).createChannel({
    ...options,
    messages: [{ encoding: RAW, onmessage() {} }]
  })
  channel?.open()
  channel?.messages[0]?.send(b4a.from('x'))
  await until(() => mine.destroyed && gossip.peers.size === 0)
  t.pass()
})

test('a flood of opens and closes leaves no link behind', async t => {
  const { gossip, topic, open, hello } = await attacked(t)
  for (let i = 0; i < 300; i++) {
    const channel = open()
    channel.open(hello())
    if (i % 3 === 0) await turns(2)
    channel.close()
  }
  await turns(20)
  await until(() => topic.peers().length === 0)
  t.is(gossip.stats.linksOpened, gossip.stats.linksClosed)
  t.is(gossip.peers.size, 1)
})

test("a listener that throws is the application's fault: the others still hear, the stream lives", t => {
  const file = fileURLToPath(new URL('./support/throwing-listener.js', import.meta.url))
  const child = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 })
  t.deepEqual(JSON.parse(child.stdout), { uncaught: ['mine', 'mine', 'mine'], heard: [0, 1, 2], peers: 1 })
  t.is(child.status, 0, child.stderr)
})
