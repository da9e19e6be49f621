import { spawnSync } from 'node:child_process'
import { type Duplex, duplexPair as syncPair } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Connection, connectionOf, guarded, openFrameChannel } from '@hearsay/gossip/connection'
import test from 'ava'
import b4a from 'b4a'
import Protomux from 'protomux'
import { wrapInNoise } from '#gossip/node/noise'
import { duplexPair, noisePair, turns, until } from './support/streams.js'

const PROTOCOL = 'test/1'
const ID = new Uint8Array(32).fill(7)

interface Recorded {
  hellos: string[]
  frames: string[]
  closes: number
  faults: unknown[]
  log: string[]
}

function record(connection: Connection, hello = 'hi') {
  const seen: Recorded = { hellos: [], frames: [], closes: 0, faults: [], log: [] }
  const channel = openFrameChannel(connection, {
    protocol: PROTOCOL,
    id: ID,
    kinds: 3,
    hello: () => b4a.from(hello),
    maxHelloBytes: 16,
    onhello(bytes) {
      seen.hellos.push(b4a.toString(bytes))
      seen.log.push('hello')
    },
    onframe(kind, bytes) {
      seen.frames.push(`${kind}:${b4a.toString(bytes)}`)
      seen.log.push('frame')
    },
    onclose() {
      seen.closes++
      seen.log.push('close')
    },
    ondrain() {},
    onfault: fault => seen.faults.push(fault)
  })
  if (channel === null) throw new Error('no channel')
  return { channel, seen }
}

async function openPair(): Promise<[Connection, Connection]> {
  const [a, b] = noisePair()
  const ends: [Connection, Connection] = [connectionOf(a), connectionOf(b)]
  await Promise.all(ends.map(end => end.opened()))
  return ends
}

test('a stream, its muxer and its Noise stream are one connection', t => {
  const [a] = noisePair()
  const connection = connectionOf(a)
  t.is(connectionOf(a), connection)
  t.is(connectionOf(connection.mux), connection)
  t.is(connection.mux.stream as unknown, a)
  const { ends } = duplexPair()
  const wrapped = connectionOf(ends[0], { initiator: true })
  t.is(connectionOf(ends[0]), wrapped)
  t.is(connectionOf(wrapped.stream), wrapped)
})

test('a transport that delivers in the call that writes is borne, whichever side is attached first', async t => {
  for (const order of [
    [true, false],
    [false, true]
  ]) {
    // Not the pair of our tests: Node's own hands the bytes over at once.
    const halves = syncPair()
    const heard: string[] = []
    const ends = order.map((isInitiator, i) => {
      const noise = wrapInNoise(isInitiator, halves[i] as object) as unknown as Duplex
      // Who writes as soon as it may is behind what ends the handshake.
      noise.on('handshake', () => noise.write(b4a.from(`from ${i}`)))
      noise.on('data', data => heard.push(b4a.toString(data)))
      return noise
    })
    await until(() => heard.length === 2)
    t.deepEqual(heard.sort(), ['from 0', 'from 1'])
    for (const end of ends) end.destroy()
  }
})

test('a Protomux that the application made is used, not replaced', t => {
  const [a] = noisePair()
  const mux = Protomux.from(a)
  t.is(connectionOf(a).mux as unknown, mux)
})

test('what is no usable stream throws a coded TypeError at once', t => {
  const expected = { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_STREAM' }
  for (const bad of [undefined, null, 7, 'stream', {}, { on() {} }, []]) {
    t.throws(() => connectionOf(bad), expected)
  }
  t.throws(() => connectionOf(duplexPair().ends[0]), { ...expected, message: /initiator/ })
  const [a] = noisePair()
  a.userData = { mine: true }
  t.throws(() => connectionOf(a), { ...expected, message: /userData/ })
})

test('both ends of a connection agree on its binding', async t => {
  const [a, b] = noisePair()
  const [first, second] = [connectionOf(a), connectionOf(b)]
  t.is(first.binding, null)
  const [one, other] = await Promise.all([first.opened(), second.opened()])
  t.deepEqual(one.handshakeHash, other.handshakeHash)
  t.is(one.handshakeHash.byteLength, 64)
  t.deepEqual(one.publicKey, other.remotePublicKey)
  t.deepEqual(other.publicKey, one.remotePublicKey)
  t.true(one.isInitiator)
  t.false(other.isInitiator)
  t.true(first.outbound)
  t.is(first.binding, one)
})

test('opened() rejects when the stream dies first, and onClose is heard once, also afterwards', async t => {
  const [a] = noisePair()
  const connection = connectionOf(a)
  let closes = 0
  let never = 0
  connection.onClose(() => closes++)
  connection.onClose(() => never++)()
  const opening = connection.opened()
  a.destroy(new Error('reset'))
  await t.throwsAsync(opening, { message: /closed before/ })
  await until(() => closes === 1)
  t.true(connection.closed)
  connection.onClose(() => closes++)
  await turns(1)
  t.is(closes, 2)
  t.is(never, 0)
})

test('a listener of onClose that throws keeps the others and the process alive', async t => {
  const [a] = noisePair()
  const connection = connectionOf(a)
  const warnings: Error[] = []
  a.on('warning', warning => warnings.push(warning))
  let closes = 0
  connection.onClose(() => {
    throw new TypeError('mine')
  })
  connection.onClose(() => closes++)
  a.destroy()
  await until(() => closes === 1)
  t.is(warnings[0]?.message, 'mine')
})

test('frames arrive after the hello, in order, whoever opens first', async t => {
  for (const secondWaits of [false, true]) {
    const [a, b] = await openPair()
    const one = record(a, 'from a')
    if (secondWaits) await turns(20)
    const two = record(b, 'from b')
    await until(() => one.channel.open && two.channel.open)
    a.cork()
    for (let i = 0; i < 3; i++) one.channel.send(i, b4a.from(`frame ${i}`))
    a.uncork()
    await until(() => two.seen.frames.length === 3)
    t.deepEqual(two.seen.hellos, ['from a'])
    t.deepEqual(one.seen.hellos, ['from b'])
    t.deepEqual(two.seen.frames, ['0:frame 0', '1:frame 1', '2:frame 2'])
    t.is(two.seen.log[0], 'hello')
    t.deepEqual([...one.seen.faults, ...two.seen.faults], [])
  }
})

test('a channel that the remote closed opens again when the remote does', async t => {
  const [a, b] = await openPair()
  const one = record(a)
  let two = record(b, 'first')
  await until(() => one.channel.open && two.channel.open)
  two.channel.close()
  t.false(two.channel.open)
  await until(() => one.seen.closes === 1)
  t.false(one.channel.open)
  await turns(5)
  two = record(b, 'second')
  await until(() => one.channel.open && two.channel.open)
  t.deepEqual(one.seen.hellos, ['first', 'second'])
  t.deepEqual(one.seen.log, ['hello', 'close', 'hello'])
})

test('closing and opening again in one tick, on both sides at once, ends open on both', async t => {
  for (let round = 0; round < 25; round++) {
    const [a, b] = await openPair()
    let one = record(a)
    let two = record(b)
    if (round % 2) await until(() => one.channel.open && two.channel.open)
    for (let toggle = 0; toggle <= round % 5; toggle++) {
      one.channel.close()
      one = record(a)
      if (round % 3) {
        two.channel.close()
        two = record(b)
      }
      if (round % 4 === 1) await turns(1)
    }
    await until(() => one.channel.open && two.channel.open)
    one.channel.send(0, b4a.from('a'))
    two.channel.send(0, b4a.from('b'))
    await until(() => one.seen.frames.length === 1 && two.seen.frames.length === 1)
  }
  t.pass()
})

test('frames behind a hello that made us close are not passed on', async t => {
  const [a, b] = await openPair()
  const frames: Uint8Array[] = []
  let hellos = 0
  const channel = openFrameChannel(a, {
    protocol: PROTOCOL,
    id: ID,
    kinds: 3,
    hello: () => b4a.from('x'),
    maxHelloBytes: 16,
    onhello() {
      hellos++
      channel?.close()
    },
    onframe: (_kind, bytes) => frames.push(bytes),
    onclose() {},
    ondrain() {},
    onfault() {}
  })
  // Our open is refused by then, so ours is the passive side: Protomux keeps what comes behind the remote's hello.
  await turns(20)
  b.cork()
  record(b, 'wrong')
  const raw = [...b.mux].find(({ protocol }) => protocol === PROTOCOL)
  for (let i = 0; i < 5; i++) raw?.messages[0]?.send(b4a.from('pipelined'))
  b.uncork()
  await until(() => hellos > 0)
  raw?.messages[0]?.send(b4a.from('late'))
  await turns(20)
  t.is(hellos, 1)
  t.is(frames.length, 0)
  t.false(a.closed)
})

test('a remote that refuses because it is not ready is no close, and may open later', async t => {
  const [a, b] = await openPair()
  const one = record(a)
  await turns(20)
  t.deepEqual(one.seen.log, [])
  const two = record(b)
  await until(() => one.channel.open && two.channel.open)
  t.deepEqual(one.seen.log, ['hello'])
})

test('a guarded function neither throws nor rejects, and returns what it returned', async t => {
  const faults: unknown[] = []
  const guard = <R>(fn: (value: number) => R) => guarded(fault => faults.push(fault), fn)
  t.is(guard(value => value + 1)(1), 2)
  t.is(await guard(async value => value + 1)(2), 3)
  const thrown = [new TypeError('sync'), 'text', undefined]
  for (const fault of thrown) {
    t.is(
      guard(() => {
        throw fault
      })(0),
      undefined
    )
  }
  const late = new RangeError('late')
  await t.notThrowsAsync(async () => guard(() => Promise.reject(late))(0))
  t.deepEqual(faults, [...thrown, late])
})

test('a hello over the limit is a fault that leaves the stream alone', async t => {
  const [a, b] = await openPair()
  const one = record(a)
  record(b, 'seventeen letters')
  await until(() => one.seen.faults.length === 1)
  t.regex(String(one.seen.faults[0]), /hello is 17 bytes, limit is 16/)
  t.deepEqual(one.seen.hellos, [])
  await turns(5)
  t.false(a.closed)
})

test('nobody gets a second channel of one name, and nobody gets one on a closed connection', async t => {
  const [a] = await openPair()
  record(a)
  const options = {
    protocol: PROTOCOL,
    id: ID,
    kinds: 1,
    hello: () => new Uint8Array(0),
    maxHelloBytes: 16,
    onhello() {},
    onframe() {},
    onclose() {},
    ondrain() {},
    onfault() {}
  }
  t.is(openFrameChannel(a, options), null)
  a.stream.destroy()
  await until(() => a.closed)
  t.is(openFrameChannel(a, { ...options, id: new Uint8Array(32) }), null)
})

test('what a callback throws goes to onfault, and the channel goes on', async t => {
  const [a, b] = await openPair()
  const faults: unknown[] = []
  const frames: number[] = []
  openFrameChannel(a, {
    protocol: PROTOCOL,
    id: ID,
    kinds: 2,
    hello: () => new Uint8Array(0),
    maxHelloBytes: 16,
    onhello() {
      throw new RangeError('hello')
    },
    onframe(kind) {
      frames.push(kind)
      throw new TypeError('frame')
    },
    onclose() {
      throw new SyntaxError('close')
    },
    ondrain() {},
    onfault: fault => faults.push(fault)
  })
  const two = record(b)
  await until(() => two.channel.open)
  two.channel.send(1, new Uint8Array(1))
  two.channel.send(0, new Uint8Array(1))
  await until(() => frames.length === 2)
  two.channel.close()
  await until(() => faults.length === 4)
  t.deepEqual(
    faults.map(fault => (fault as Error).message),
    ['hello', 'frame', 'frame', 'close']
  )
  t.false(a.closed)
})

const uint = (value: number) => (value < 253 ? [value] : [253, value & 255, value >> 8])

/** `depth` batches, each the only content of the one around it. */
function nest(depth: number): Uint8Array {
  let inner: number[] = []
  for (let i = 0; i < depth; i++) inner = [0, 0, 0, ...uint(Math.max(0, inner.length - 1)), ...inner.slice(1)]
  return new Uint8Array(inner)
}

test('a batch inside a batch destroys the stream, and nothing else', async t => {
  for (const depth of [2, 3, 50, 5000]) {
    const [a, b] = await openPair()
    const errors: Error[] = []
    a.stream.on('error', error => errors.push(error))
    // Bytes of nested batches, made from the inside so that lengths fit; small ones by hand, large ones as a run.
    const bomb =
      depth <= 50 ? nest(depth) : new Uint8Array(20_000).map((_, i) => [0, 0, 253, 255, 255][i % 5] ?? 0)
    bomb[0] = 0
    ;(b.stream as unknown as { write(bytes: Uint8Array): void }).write(bomb)
    await until(() => a.closed)
    await until(() => errors.length === 1)
    t.regex(String(errors[0]), /batch inside a batch/, `depth ${depth}`)
  }
})

test('a plain batch passes the hardened muxer', async t => {
  const [a, b] = await openPair()
  const one = record(a)
  const two = record(b)
  await until(() => one.channel.open && two.channel.open)
  for (let round = 0; round < 50; round++) {
    a.cork()
    for (let i = 0; i < 10; i++) one.channel.send(i % 3, b4a.from(`${round}`))
    a.uncork()
  }
  await until(() => two.seen.frames.length === 500)
  t.false(b.closed)
})

test('a TypeError of another protocol on the muxer destroys the stream, not the process', async t => {
  for (const isAsync of [false, true]) {
    const [a, b] = await openPair()
    const errors: Error[] = []
    a.stream.on('error', error => errors.push(error))
    const throwing = () => {
      throw new TypeError('crafted')
    }
    const options = {
      protocol: 'other/1',
      id: null,
      messages: [{ encoding: RAW, onmessage: isAsync ? async () => throwing() : throwing }]
    }
    a.mux.createChannel(options)?.open(new Uint8Array(0))
    const channel = b.mux.createChannel({ ...options, messages: [{ encoding: RAW, onmessage() {} }] })
    channel?.open(new Uint8Array(0))
    channel?.messages[0]?.send(new Uint8Array(3))
    await until(() => a.closed)
    await until(() => errors.length === 1)
    t.is(errors[0]?.message, 'crafted')
  }
})

test('a rejection of a handler whose channel is closed meanwhile is only a warning', async t => {
  const [a, b] = await openPair()
  const warnings: Error[] = []
  a.stream.on('warning', warning => warnings.push(warning))
  let fail = (_fault: Error): void => {}
  const options = { protocol: 'other/1', id: null }
  const onmessage = () =>
    new Promise((_, reject) => {
      fail = reject
    })
  let calls = 0
  const mine = a.mux.createChannel({
    ...options,
    messages: [
      {
        encoding: RAW,
        onmessage() {
          calls++
          return onmessage()
        }
      }
    ]
  })
  mine?.open(new Uint8Array(0))
  const channel = b.mux.createChannel({ ...options, messages: [{ encoding: RAW, onmessage() {} }] })
  channel?.open(new Uint8Array(0))
  channel?.messages[0]?.send(new Uint8Array(3))
  await until(() => calls === 1)
  mine?.close()
  fail(new TypeError('late'))
  await until(() => warnings.length === 1)
  t.is(warnings[0]?.message, 'late')
  t.false(a.closed)
})

test('a flood of channels destroys the stream', async t => {
  const [a, b] = await openPair()
  const write = (bytes: Uint8Array) =>
    (b.stream as unknown as { write(bytes: Uint8Array): void }).write(bytes)
  // The notify function of another protocol never answers, so every open is held.
  a.mux.pair({ protocol: 'p' }, () => new Promise(() => {}))
  for (let id = 1; id < 16_500 && !a.closed; id++) {
    write(new Uint8Array([0, 1, ...uint(id), 1, 112, 1, id & 255, 0]))
    if (id % 500 === 0) await turns(1)
  }
  await until(() => a.closed)
  t.true(a.closed)
})

test('an unhardened muxer still dies of the bomb, so hardening is needed', t => {
  const file = fileURLToPath(new URL('./support/unhardened.js', import.meta.url))
  const child = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 })
  t.not(child.status, 0)
  t.regex(child.stderr, /RangeError|Maximum call stack/)
})

test('harden() refuses a Protomux that lost the internals it stands on', async t => {
  const { harden } = await import('#gossip/node/harden')
  const [a] = noisePair()
  const mux = Protomux.from(a)
  Object.assign(mux, { _onbatch: undefined })
  t.throws(() => harden(mux), { message: /_onbatch/ })
})

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
