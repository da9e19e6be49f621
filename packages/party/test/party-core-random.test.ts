import type { PartyEffect } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import { ACCEPT, AGREE, CoreNode, Wire } from './support-core.js'

const SEEDS = Number(process.env.SEEDS ?? 40)
const STEPS = 220

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Three nodes, whose rules and disks answer late, twice or never, and whose wires break. */
class World {
  readonly random: () => number
  readonly nodes: CoreNode[]
  readonly wires = new Map<string, Wire>()
  readonly asked: { node: CoreNode; ask: PartyEffect & { type: 'ask' } }[] = []
  readonly feeds: { node: CoreNode; key: Uint8Array; isRevoked: boolean }[] = []
  readonly hits = { cut: 0, late: 0, double: 0, diskFull: 0, garbage: 0, revoked: 0, live: 0 }
  #nextChannel = 1
  #nextJob = 1

  constructor(seed: number) {
    this.random = randomOf(seed)
    this.nodes = [1, 2, 3].map(index => {
      const hold = (ask: PartyEffect & { type: 'ask' }) => {
        if (this.random() < 0.5)
          return ask.about === 'handshake' ? AGREE : ask.about === 'introduce' ? ACCEPT : undefined
        this.asked.push({ node: this.nodes[index - 1] as CoreNode, ask })
        return undefined
      }
      return new CoreNode(index, { handshake: hold, introduce: hold, request: hold })
    })
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)]
  }

  connect(a: number, b: number): void {
    const id = `${Math.min(a, b)}-${Math.max(a, b)}`
    if (this.wires.has(id)) return
    const wire = new Wire(this.nodes[a] as CoreNode, this.nodes[b] as CoreNode, this.#nextChannel++)
    this.wires.set(id, wire)
  }

  introduce(node: CoreNode): void {
    const { key, introduction } = node.own(`feed ${this.feeds.length}`)
    this.feeds.push({ node, key, isRevoked: false })
    node.step({ type: 'introduce', introductions: [introduction], job: this.#nextJob++ })
  }

  answer(): void {
    const index = Math.floor(this.random() * this.asked.length)
    const question = this.asked[index]
    if (question === undefined) return
    const isDouble = this.random() < 0.2
    if (!isDouble) this.asked.splice(index, 1)
    else this.hits.double++
    this.hits.late++
    const { node, ask } = question
    const answer =
      ask.about === 'handshake'
        ? AGREE
        : ask.about === 'introduce'
          ? ACCEPT
          : ({ about: 'request', ok: false, code: 'E', message: '' } as const)
    node.step({ type: 'answer', question: ask.question, answer })
  }

  write(node: CoreNode): void {
    const index = Math.floor(this.random() * node.held.length)
    const [effect] = node.held.splice(index, 1)
    if (effect === undefined) return
    const isFull = this.random() < 0.5 && effect.type === 'authorize'
    if (isFull) this.hits.diskFull++
    node.finish(effect, isFull ? 'ERR_PARTY_STORAGE' : null)
  }

  garbage(node: CoreNode): void {
    const channel = 1 + Math.floor(this.random() * this.#nextChannel)
    const bytes = Uint8Array.from({ length: Math.floor(this.random() * 60) }, () =>
      Math.floor(this.random() * 256)
    )
    node.step({ type: 'frame', channel, kind: Math.floor(this.random() * 20), bytes })
    this.hits.garbage++
  }

  revoke(): void {
    const feed = this.pick(this.feeds.filter(one => !one.isRevoked))
    if (feed === undefined) return
    feed.isRevoked = true
    this.hits.revoked++
    const about = { cutoff: null, purge: false, reason: '', job: this.#nextJob++ }
    feed.node.step({ type: 'revoke', key: feed.key, ...about })
  }

  step(): void {
    const node = this.pick(this.nodes) as CoreNode
    const draw = this.random()
    if (draw < 0.35) {
      const wire = this.pick([...this.wires.values()])
      for (let i = 0; i < 12 && wire?.one(); i++);
    } else if (draw < 0.42)
      this.connect(Math.floor(this.random() * 3), (1 + Math.floor(this.random() * 2)) % 3)
    else if (draw < 0.47) this.introduce(node)
    else if (draw < 0.5) this.revoke()
    else if (draw < 0.65) this.answer()
    else if (draw < 0.8) this.write(node)
    else if (draw < 0.82) this.cut()
    else if (draw < 0.83) this.garbage(node)
    else if (draw < 0.87) node.isDiskHeld = !node.isDiskHeld
    else node.pass(Math.floor(this.random() * 300))
  }

  cut(): void {
    const id = this.pick([...this.wires.keys()])
    if (id === undefined) return
    this.wires.get(id)?.cut()
    this.wires.delete(id)
    this.hits.cut++
  }

  /** Everything answers, all are connected, nothing fails: they must come to agree. */
  heal(): void {
    for (const node of this.nodes) node.isDiskHeld = false
    while (this.wires.size > 0) this.cut()
    while (this.asked.length > 0) this.answer()
    for (const node of this.nodes) {
      for (const effect of node.held.splice(0)) node.finish(effect, null)
      // What was undecided because the disk was full is decided again.
      node.step({ type: 'setRules' })
      node.pass(700_000)
    }
    for (const [a, b] of [
      [0, 1],
      [1, 2],
      [0, 2]
    ] as const) {
      this.connect(a, b)
    }
    for (let round = 0; round < 60; round++) {
      for (const wire of this.wires.values()) wire.run()
      while (this.asked.length > 0) this.answer()
    }
  }
}

/** Checks a node's effects as a stranger would, from the numbered invariants alone. */
function check(node: CoreNode, world: World): string | null {
  const spoken = new Set<number>()
  const added = new Set<number>()
  const settled = new Set<number>()
  for (const effect of node.effects) {
    switch (effect.type) {
      case 'send':
        if (effect.kind === 7) spoken.add(effect.channel)
        if (!spoken.has(effect.channel) && world.feeds.some(({ key }) => b4a.includes(effect.bytes, key))) {
          return 'a frame before READY holds a feed key'
        }
        break
      case 'grant':
        if (!spoken.has(effect.channel)) return 'a grant before READY'
        break
      case 'peerAdd':
        if (added.has(effect.channel)) return 'a peer was added twice'
        added.add(effect.channel)
        break
      case 'peerRemove':
        if (!added.delete(effect.channel)) return 'a peer was removed that was not there'
        break
      case 'settle':
        if (settled.has(effect.call)) return 'a call was settled twice'
        settled.add(effect.call)
    }
  }
  return null
}

test(`random inputs keep the invariants, and all agree in the end (${SEEDS} seeds)`, t => {
  const hits: Record<string, number> = {}
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed)
    for (let i = 0; i < STEPS; i++) world.step()
    for (const node of world.nodes) {
      const fault = check(node, world)
      if (fault !== null) t.fail(`seed ${seed}: ${fault}`)
    }
    world.heal()
    for (const { key, isRevoked, node: author } of world.feeds) {
      for (const node of world.nodes) {
        const what = `seed ${seed}: a feed of ${author.crypto.author[0]} at ${node.crypto.author[0]}, revoked: ${isRevoked}`
        if (node.has(key) === isRevoked) t.fail(what)
      }
    }
    for (const node of world.nodes) {
      const fault = check(node, world)
      if (fault !== null) t.fail(`seed ${seed}: ${fault}`)
      if (node.core.counts().pending > 0) t.fail(`seed ${seed}: something is pending for ever`)
      world.hits.live += node.all('live').length
    }
    for (const [name, count] of Object.entries(world.hits)) hits[name] = (hits[name] ?? 0) + count
  }
  // A test that never meets a fault says nothing.
  for (const [name, count] of Object.entries(hits)) t.true(count > SEEDS / 4, `${name}: ${count}`)
})
