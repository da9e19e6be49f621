/** Attacks on the muxer and the transport, each against a process of its own: it lives, stays small, and talks to its friend. */
import { connect as dial, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Gossip, type Message } from '@hearsay/gossip'
import { FrameKind } from '@hearsay/gossip/core'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test, { type ExecutionContext } from 'ava'
import { TOPIC, TOPIC_KEY } from '../support/attack.js'
import { type Child, startNode } from '../support/child.js'
import { RAW, RawAuthor, RawPeer } from '../support/raw-peer.js'
import { soon, turns, until } from '../support/until.js'

interface Status {
  rss: number
  heapUsed: number
  busyMs: number
  queued: number[]
  peers: number
  links: number
  stats: {
    linksOpened: number
    linksClosed: number
    connectionsOpened: number
    drops: Record<string, number>
  }
}

interface Victim {
  readonly child: Child
  status(command?: string): Promise<Status>
  socket(): Socket
  /** A raw peer; with a link if `isMember`. */
  peer(isMember?: boolean): Promise<RawPeer>
  /** The honest friend asks and is answered. */
  answers(): Promise<void>
  readonly heard: Message[]
}

const MB = 1024 * 1024

async function victimOf(t: ExecutionContext): Promise<Victim> {
  const file = fileURLToPath(new URL('./victim-process.js', import.meta.url))
  const child = startNode(t, [file], { env: { NODE_OPTIONS: '--expose-gc' } })
  const { port } = JSON.parse(await child.line(/port/)) as { port: number }
  const socket = (): Socket => {
    const made = dial(port, '127.0.0.1')
    made.on('error', () => {})
    t.teardown(() => made.destroy())
    return made
  }
  const friend = new Gossip()
  t.teardown(() => friend.close())
  const topic = friend.join(TOPIC)
  const heard: Message[] = []
  topic.on('message', (_data, message) => heard.push(message))
  friend.attach(socket(), { initiator: true })
  let asked = 0
  return {
    child,
    heard,
    socket,
    async status(command = '') {
      const { length } = child.lines
      child.write(command)
      await until(() => child.lines.length > length, { what: 'a status of the victim', ms: 20_000 })
      return JSON.parse(child.lines.at(-1) as string) as Status
    },
    async peer(isMember = true) {
      const stream = new NoiseSecretStream(true, socket())
      const peer = new RawPeer(stream, TOPIC_KEY)
      await stream.opened
      if (isMember) await peer.link()
      return peer
    },
    async answers() {
      const ask = ++asked
      await topic.publish({ ask }, { waitForPeers: 1 })
      await until(() => heard.some(({ data }) => (data as { answer?: number }).answer === ask), {
        what: 'an answer of the victim'
      })
    }
  }
}

/** The victim still runs, silently, and ends only when it is told to. */
async function lives(t: ExecutionContext, victim: Victim): Promise<void> {
  await victim.answers()
  t.is(victim.child.process.exitCode, null)
  t.deepEqual(victim.child.errors, [])
}

test('X10 one frame of 20,000 nested batches ends the stream that it came on, not the process', async t => {
  const victim = await victimOf(t)
  await victim.answers()
  for (const isMember of [false, true]) {
    const peer = await victim.peer(isMember)
    const bomb = new Uint8Array(100_000)
    // Each level: channel 0, type 0 (a batch), channel 0, and the length of all that follows.
    for (let at = 0; at + 6 <= bomb.length; at += 5) bomb.set([0, 0xfd, 0xff, 0xff, 0], at + 1)
    peer.stream.write(bomb)
    await until(() => peer.stream.destroyed)
    await victim.answers()
  }
  const { peers } = await victim.status()
  t.is(peers, 1)
  await lives(t, victim)
})

test('X10 20,000 openings of channels, known and unknown, are refused or end the stream, and are not kept', async t => {
  const victim = await victimOf(t)
  await victim.answers()
  const { heapUsed: before } = await victim.status('gc')
  const peer = await victim.peer()
  for (let i = 0; i < 20_000 && !peer.stream.destroyed; i++) {
    const id = new Uint8Array(32)
    new DataView(id.buffer).setUint32(0, i)
    peer.mux.createChannel({ protocol: `unknown/${i % 7}`, id, handshake: RAW })?.open(new Uint8Array(30))
    if (i % 500 === 0) await turns(2)
  }
  await lives(t, victim)
  peer.stream.destroy()
  await until(async () => (await victim.status()).peers === 1)
  const { heapUsed } = await victim.status('gc')
  t.true(heapUsed - before < 8 * MB, `${(heapUsed - before) / MB} MB more`)
  await lives(t, victim)
})

test('X10 a channel that is closed and opened again 1,000 times leaves no link behind', async t => {
  const victim = await victimOf(t)
  const peer = await victim.peer()
  for (let i = 0; i < 1000; i++) {
    peer.close()
    peer.open()
    if (i % 10 === 0) await turns(3)
  }
  await lives(t, victim)
  await until(async () => {
    const { links, stats } = await victim.status()
    return links === 2 && stats.linksOpened - stats.linksClosed === 2
  })
  peer.stream.destroy()
  await until(async () => (await victim.status()).links === 1)
  await lives(t, victim)
})

test('X10 silent sockets, HTTP and garbage before the handshake are nobody, and cost little', async t => {
  const victim = await victimOf(t)
  await victim.answers()
  const before = await victim.status('gc')
  const sockets = Array.from({ length: 100 }, () => victim.socket())
  for (const [i, socket] of sockets.entries()) {
    if (i % 3 === 1) socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    // The length of a frame of 16 MB that never comes.
    if (i % 3 === 2) socket.write(new Uint8Array([0xff, 0xff, 0xff, 1, 2, 3]))
  }
  await until(async () => (await victim.status()).stats.connectionsOpened >= 101)
  await lives(t, victim)
  const after = await victim.status('gc')
  t.is(after.links, 1)
  t.true(after.rss - before.rss < 50 * MB, `${(after.rss - before.rss) / MB} MB more`)
  for (const socket of sockets) socket.destroy()
  await until(async () => (await victim.status()).peers === 1)
  await lives(t, victim)
})

test('X6 a member that never reads costs a bounded queue, and the others get everything', async t => {
  const victim = await victimOf(t)
  const peer = await victim.peer()
  await victim.answers()
  const before = await victim.status('gc')
  const raw = peer.stream.rawStream as { pause(): void; removeAllListeners(name: string): void }
  raw.removeAllListeners('data')
  raw.pause()
  const after = await victim.status('burst 20000')
  await until(() => victim.heard.filter(({ data }) => 'burst' in (data as object)).length === 20_000, {
    ms: 20_000
  })
  t.true(Math.max(...after.queued) <= MB, `${after.queued}`)
  t.true(after.rss - before.rss < 120 * MB, `${(after.rss - before.rss) / MB} MB more`)
  await lives(t, victim)
  t.true(peer.received(FrameKind.batch).length < 20_000)
})

test('X10 garbage below the muxer, in 500 forms, ends a stream at most', async t => {
  const victim = await victimOf(t)
  await victim.answers()
  let peer = await victim.peer()
  let ended = 0
  let seed = 12345
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
    return seed % below
  }
  for (let i = 0; i < 500; i++) {
    const bytes = new Uint8Array(1 + random(60)).map(() => random(256))
    // Half of them look like control frames of the muxer, or like frames of our channel.
    if (i % 2 === 0) bytes.set([random(2), random(5)].slice(0, bytes.length))
    peer.stream.write(bytes)
    if (i % 5 === 0) await turns(2)
    if (!peer.stream.destroyed) continue
    ended++
    peer = await victim.peer(false)
  }
  t.true(ended > 0, 'some of it was bad enough')
  await lives(t, victim)
})

test('X10 10 sybils with 2,000 bad signatures each are cut off, and the friend is answered in time', async t => {
  const victim = await victimOf(t)
  await victim.answers()
  const author = new RawAuthor(TOPIC_KEY)
  const bad = { ...author.batch(['bad']), signature: new Uint8Array(64) }
  const sybils = await Promise.all(Array.from({ length: 10 }, () => victim.peer()))
  const startMs = performance.now()
  for (const sybil of sybils) {
    sybil.atOnce(() => {
      for (let i = 0; i < 2000; i++) sybil.push({ ...bad, seq0: i })
    })
  }
  await soon(() => sybils.every(({ closed }) => closed > 0), { what: 'all sybils are cut' })
  await lives(t, victim)
  const { stats, busyMs } = await victim.status()
  t.is(stats.drops['bad-signature'], 30, 'three each')
  t.true(performance.now() - startMs < 5000)
  t.true(busyMs < 1000, `${busyMs} ms without a turn`)
})

test('X12 nothing is printed, whatever goes wrong and whoever does not listen', async t => {
  const file = fileURLToPath(new URL('./quiet-process.js', import.meta.url))
  const child = startNode(t, [file])
  t.deepEqual(await child.exit, { code: 0, signal: null })
  t.deepEqual(child.lines, [])
  t.deepEqual(child.errors, [])
})
