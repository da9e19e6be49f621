/**
 * One round of a set comparison: the machine that `digest.ts` draws, from ROOTS to SAME.
 *
 * Works on one snapshot and one salt, and is thrown away afterwards. `receive` returns a fault or null; what is to be done
 * is pushed on `effects`, in order.
 */
import b4a from 'b4a'
import type {
  DigestEffect,
  DigestFault,
  DigestFrame,
  DigestGroup,
  DigestLimits,
  DigestNode,
  DigestOptions,
  DigestRange,
  RecordsMark
} from './digest-types.js'
import { PullQueue } from './pull-queue.js'
import { childOf, parentId, Ranges, ROOT_RANGE, rangeId, type Span } from './ranges.js'
import { splitRows } from './rows.js'
import { splitGroups } from './split-groups.js'

/** What is gathered for our next turn. */
interface Turn {
  readonly answers: DigestGroup[]
  readonly questions: DigestGroup[]
  readonly nodes: DigestNode[]
}

/** A question of the peer that is being read: our rows of that range, by short, less those that it has. */
interface Question {
  readonly range: DigestRange
  readonly unmatched: Map<string, number>
  /** Shorts of the peer that we lack. */
  readonly lacking: Uint8Array[]
}

/** One round. */
export class Round {
  readonly #options: DigestOptions
  readonly #limits: DigestLimits
  readonly #round: number
  readonly #ranges: Ranges
  readonly #rootFp: Uint8Array
  #remoteCount: number | null = null
  /** May the peer send a turn, and of which depth? */
  #isAwaiting = false
  #depth = 0
  #isAskedInTurn = false
  #out: Turn = { answers: [], questions: [], nodes: [] }
  #question: Question | null = null
  /** Ids of what our last turn held, and the last range of each kind in the peer's turn. */
  #sentNodes = new Set<string>()
  #sentQuestions = new Set<string>()
  #lastPaths = new Map<string, Uint8Array>()
  /** Rows whose shorts we told, by short: all that can be pulled by short. */
  readonly #told = new Map<string, number>()
  readonly #supplied = new Set<number>()
  readonly #pulls: PullQueue
  #shortsLeft = 0
  #pullsLeft: number
  /** Rows that the peer may still pull by ranges: each once. */
  #rangedLeft: number
  #isSettled = false
  #isDoneSent = false
  #isDoneReceived = false
  /** Were the roots equal? */
  isSame = false

  constructor(options: DigestOptions, limits: DigestLimits, round: number) {
    this.#options = options
    this.#limits = limits
    this.#round = round
    this.#ranges = new Ranges(options.snapshot(), options.salt(round), options.keyedHash)
    this.#rootFp = this.#ranges.rootFp()
    this.#pulls = new PullQueue(this.#ranges, limits.maxShorts, options.refused)
    this.#pullsLeft = limits.maxPulls
    this.#rangedLeft = this.#ranges.count
  }

  /** Where the round is. */
  get phase(): 'roots' | 'ranges' | 'pulling' | 'same' {
    if (this.isSame || (this.#isDoneSent && this.#isDoneReceived)) return 'same'
    if (this.#remoteCount === null) return 'roots'
    return this.#isSettled ? 'pulling' : 'ranges'
  }

  /** Sends our root. */
  start(effects: DigestEffect[]): void {
    const { set } = this.#options
    const count = this.#ranges.count
    effects.push({
      type: 'send',
      frame: { type: 'root', set, round: this.#round, count, fp: this.#rootFp }
    })
  }

  /** Takes a frame of this round. */
  receive(frame: DigestFrame | RecordsMark, effects: DigestEffect[]): DigestFault | null {
    if (frame.type === 'root') return this.#onRoot(frame.count, frame.fp, effects)
    if (this.#remoteCount === null) return 'order'
    switch (frame.type) {
      case 'nodes':
        return this.#onNodes(frame.nodes, effects)
      case 'items':
        return frame.isReply
          ? this.#onAnswers(frame.groups, effects)
          : this.#onQuestions(frame.groups, effects)
      case 'pull':
        return this.#onPull(frame.all, frame.shorts, effects)
      case 'records':
        return this.#onRecords(frame, effects)
      case 'done':
        this.#isDoneReceived = true
        return null
    }
  }

  /** Did we pull this row? */
  wasAsked(row: Uint8Array): boolean {
    return this.#pulls.has(row)
  }

  #onRoot(count: number, fp: Uint8Array, effects: DigestEffect[]): DigestFault | null {
    if (this.#remoteCount !== null) return 'order'
    if (count > this.#limits.maxRows) return 'limit'
    if (count === 0 && !b4a.equals(fp, this.#ranges.emptyFp())) return 'root'
    this.#remoteCount = count
    this.#shortsLeft = count
    if (count === this.#ranges.count && b4a.equals(fp, this.#rootFp)) {
      this.isSame = true
      return null
    }
    if (this.#ranges.count === 0) this.#startEmpty(count, effects)
    else if (count === 0) this.#awaitEmpty(effects)
    else if (this.#options.isInitiator) {
      this.#out.nodes.push(this.#ranges.nodeOf(ROOT_RANGE))
      this.#sendTurn(effects)
    } else this.#isAwaiting = true
    return null
  }

  /** We have nothing: all of it, or, if we refused some of it before, first its shorts. */
  #startEmpty(count: number, effects: DigestEffect[]): void {
    if (this.#options.set !== 2 && this.#pulls.hasNoRefused) {
      this.#isSettled = true
      this.#pulls.openAll(count)
      this.#send({ type: 'pull', ...this.#head(), all: [ROOT_RANGE], shorts: [] }, effects)
      return
    }
    this.#out.questions.push({ ...ROOT_RANGE, shorts: [] })
    this.#sendTurn(effects)
  }

  /** The peer has nothing: it pulls all, or asks by an empty question. We want nothing of it. */
  #awaitEmpty(effects: DigestEffect[]): void {
    this.#isAwaiting = true
    this.#isSettled = this.#options.set !== 2
    this.#settle(effects)
  }

  #onNodes(nodes: readonly DigestNode[], effects: DigestEffect[]): DigestFault | null {
    if (!this.#isAwaiting) return 'order'
    if (nodes.length > this.#limits.maxNodes) return 'limit'
    for (const node of nodes) {
      if (node.depth >= this.#limits.maxDepth) return 'limit'
      const path = this.#lastPaths.get('nodes')
      if (!this.#isNext(node) || (path !== undefined && b4a.compare(path, node.path) >= 0)) return 'order'
      this.#lastPaths.set('nodes', node.path)
      this.#isAskedInTurn = true
      this.#compareNode(node)
    }
    if (nodes.length < this.#limits.maxNodes) this.#endTurn(effects)
    return null
  }

  /** Each child that differs goes one level deeper, or is asked about row by row. */
  #compareNode(node: DigestNode): void {
    const { leafRows, maxDepth } = this.#limits
    const theirs = new Map(node.children.map(child => [child.nibble, child]))
    const spans = this.#ranges.children(this.#ranges.find(node), node.depth)
    for (const [nibble, span] of spans.entries()) {
      const own = span.end - span.start
      const their = theirs.get(nibble)
      const count = their?.count ?? 0
      if (own === 0 && count === 0) continue
      if (their !== undefined && own === count && b4a.equals(this.#ranges.fp(span), their.fp)) continue
      const child = childOf(node, nibble)
      if (Math.min(own, count) > leafRows && child.depth < maxDepth)
        this.#out.nodes.push(this.#ranges.nodeOf(child))
      else this.#out.questions.push({ ...child, shorts: this.#tell(span) })
    }
  }

  #onQuestions(groups: readonly DigestGroup[], effects: DigestEffect[]): DigestFault | null {
    const fault = this.#checkGroups(groups)
    if (fault !== null) return fault
    for (const group of groups) {
      const path = this.#lastPaths.get('questions')
      const order = path === undefined ? -1 : b4a.compare(path, group.path)
      if (!this.#isNext(group) || order > 0) return 'order'
      if (order < 0) this.#openQuestion(group, effects)
      this.#isAskedInTurn = true
      this.#readQuestion(group)
    }
    return null
  }

  #openQuestion(range: DigestRange, effects: DigestEffect[]): void {
    this.#closeQuestion(effects)
    this.#lastPaths.set('questions', range.path)
    const unmatched = new Map<string, number>()
    const span = this.#ranges.find(range)
    for (let index = span.start; index < span.end; index++) {
      unmatched.set(this.#ranges.short(this.#ranges.row(index)), index)
    }
    this.#question = { range, unmatched, lacking: [] }
  }

  #readQuestion(group: DigestGroup): void {
    const question = this.#question as Question
    for (const short of group.shorts) {
      if (question.unmatched.delete(b4a.toString(short, 'hex'))) continue
      if (this.#options.set === 2) question.lacking.push(short)
      else this.#pulls.add(short)
    }
  }

  #closeQuestion(effects: DigestEffect[]): void {
    const question = this.#question
    this.#question = null
    if (question === null) return
    const { depth, path } = question.range
    if (this.#options.set === 2) {
      this.#supply([...question.unmatched.values()], effects)
      if (question.lacking.length > 0) this.#out.answers.push({ depth, path, shorts: question.lacking })
      return
    }
    if (question.unmatched.size === 0) return
    for (const [short, index] of question.unmatched) this.#told.set(short, index)
    const shorts = [...question.unmatched.keys()].map(short => b4a.from(short, 'hex'))
    this.#out.answers.push({ depth, path, shorts })
  }

  #onAnswers(groups: readonly DigestGroup[], effects: DigestEffect[]): DigestFault | null {
    const fault = this.#checkGroups(groups)
    if (fault !== null) return fault
    for (const group of groups) {
      const path = this.#lastPaths.get('answers')
      if (path !== undefined && b4a.compare(path, group.path) > 0) return 'order'
      if (!this.#sentQuestions.has(rangeId(group))) return 'order'
      this.#lastPaths.set('answers', group.path)
    }
    const shorts = groups.flatMap(group => group.shorts)
    if (this.#options.set === 2) this.#supply(this.#lookUp(shorts), effects)
    else for (const short of shorts) if (!this.#told.has(b4a.toString(short, 'hex'))) this.#pulls.add(short)
    return null
  }

  /** Bounds of any ITEMS. DI2, and the reason why reading them needs no other bound. */
  #checkGroups(groups: readonly DigestGroup[]): DigestFault | null {
    if (!this.#isAwaiting) return 'order'
    if (groups.length > this.#limits.maxGroups) return 'limit'
    let shorts = 0
    for (const group of groups) shorts += group.shorts.length
    if (shorts > this.#limits.maxShorts) return 'limit'
    const left = this.#options.set === 2 ? this.#shortsLeft + this.#ranges.count : this.#shortsLeft
    if (shorts > left) return 'limit'
    this.#shortsLeft -= shorts
    return null
  }

  #onPull(
    all: readonly DigestRange[],
    shorts: readonly Uint8Array[],
    effects: DigestEffect[]
  ): DigestFault | null {
    if (this.#options.set === 2) return 'order'
    if (all.length > this.#limits.maxGroups || shorts.length > this.#limits.maxShorts) return 'limit'
    if (--this.#pullsLeft < 0) return 'limit'
    const indexes = this.#lookUp(shorts)
    for (const range of all) {
      if (range.depth > this.#limits.maxDepth) return 'limit'
      const { start, end } = this.#ranges.find(range)
      // Ranges that overlap would make us go through the same rows again and again.
      this.#rangedLeft -= end - start
      if (this.#rangedLeft < 0) return 'limit'
      for (let index = start; index < end; index++) indexes.push(index)
    }
    this.#supply(indexes, effects)
    return null
  }

  #onRecords(mark: RecordsMark, effects: DigestEffect[]): null {
    for (const row of splitRows(mark.rows)) {
      if (!this.#pulls.take(row)) effects.push({ type: 'demerit', reason: 'unasked' })
    }
    if (mark.isLast) this.#pulls.close()
    this.#settle(effects)
    return null
  }

  #endTurn(effects: DigestEffect[]): void {
    this.#closeQuestion(effects)
    this.#isAwaiting = false
    this.#lastPaths.clear()
    const isDue = this.#isAskedInTurn
    this.#isAskedInTurn = false
    this.#depth++
    if (isDue) this.#sendTurn(effects)
    else this.#isSettled = true
    this.#settle(effects)
  }

  /** Sends what was gathered. If it asks, the peer's turn is next, one level deeper. */
  #sendTurn(effects: DigestEffect[]): void {
    const { answers, questions, nodes } = this.#out
    this.#out = { answers: [], questions: [], nodes: [] }
    this.#sendItems(true, answers, effects)
    this.#sendItems(false, questions, effects)
    this.#sentNodes = new Set(nodes.map(rangeId))
    this.#sentQuestions = new Set(questions.map(rangeId))
    const { maxNodes } = this.#limits
    for (let at = 0; at <= nodes.length; at += maxNodes) {
      this.#send({ type: 'nodes', ...this.#head(), nodes: nodes.slice(at, at + maxNodes) }, effects)
    }
    this.#isAwaiting = nodes.length + questions.length > 0
    if (!this.#isAwaiting) this.#isSettled = true
    this.#depth++
  }

  #sendItems(isReply: boolean, groups: readonly DigestGroup[], effects: DigestEffect[]): void {
    for (const part of splitGroups(groups, this.#limits)) {
      this.#send({ type: 'items', ...this.#head(), isReply, groups: part }, effects)
    }
  }

  /** Pulls what is next; says DONE once there is nothing left to want. */
  #settle(effects: DigestEffect[]): void {
    if (this.#pulls.isOpen) return
    const shorts = this.#pulls.next()
    if (shorts !== null) {
      this.#send({ type: 'pull', ...this.#head(), all: [], shorts }, effects)
      return
    }
    if (!this.#isSettled || this.#isDoneSent) return
    this.#isDoneSent = true
    this.#send({ type: 'done', ...this.#head() }, effects)
  }

  #supply(indexes: readonly number[], effects: DigestEffect[]): void {
    const fresh: Uint8Array[] = []
    for (const index of indexes) {
      if (this.#supplied.has(index)) continue
      this.#supplied.add(index)
      fresh.push(this.#ranges.row(index))
    }
    // A pull is answered even if there is nothing, since the peer waits for the end of the answer.
    if (fresh.length === 0 && this.#options.set === 2) return
    effects.push({ type: 'supply', round: this.#round, rows: b4a.concat(fresh) })
  }

  #lookUp(shorts: readonly Uint8Array[]): number[] {
    const indexes: number[] = []
    for (const short of shorts) {
      const index = this.#told.get(b4a.toString(short, 'hex'))
      if (index !== undefined) indexes.push(index)
    }
    return indexes
  }

  /** Does the range follow from our last turn? The first turn has the root only. */
  #isNext(range: DigestRange): boolean {
    if (range.depth !== this.#depth) return false
    return range.depth === 0 || this.#sentNodes.has(parentId(range))
  }

  /** Shorts of our rows in a range; from now on the peer may name them. */
  #tell(span: Span): Uint8Array[] {
    const shorts: Uint8Array[] = []
    for (let index = span.start; index < span.end; index++) {
      const short = this.#ranges.short(this.#ranges.row(index))
      this.#told.set(short, index)
      shorts.push(b4a.from(short, 'hex'))
    }
    return shorts
  }

  #head(): { set: 0 | 1 | 2; round: number } {
    return { set: this.#options.set, round: this.#round }
  }

  #send(frame: DigestFrame, effects: DigestEffect[]): void {
    effects.push({ type: 'send', frame })
  }
}
