/**
 * Answers the core's questions by the app's rules.
 *
 * Each question is asked once; the answer is an input, however late. Whether it still matters is the core's decision.
 */
import type { Answer, IntroductionInfo, PartyEffect, Verdict } from '../core/types.js'
import type { PartyLike, PartyPeer, PeerMessage } from '../types.js'
import { codeOf, messageOf, type RuleCaller, verdictOf } from './ask-rules.js'
import { decodeMeta, decodeValue, encodeValue } from './values.js'

type Question = PartyEffect & { type: 'ask' }

/** What questions need of their party. */
export interface QuestionHost {
  readonly party: PartyLike
  readonly caller: RuleCaller
  readonly limits: {
    handshakeDeadlineMs: number
    maxFrameBytes: number
    maxErrorBytes: number
    maxTypeBytes: number
    maxReasonBytes: number
  }
  peer(channel: number | null): PartyPeer | null
  /** First key of the bundle that these belong to, if that counts already; null otherwise. */
  bundleOf(introductions: readonly IntroductionInfo[]): Uint8Array | null
  answer(question: number, answer: Answer): void
}

const FRAME_OVERHEAD = 256

/** Asks the rules what the core wants to know. */
export async function answerQuestion(host: QuestionHost, question: Question): Promise<void> {
  await null // the app's code never runs inside a guard of the transport, and after the events that came before
  switch (question.about) {
    case 'handshake':
      return host.answer(question.question, await handshake(host, question.channel))
    case 'introduce':
      return host.answer(question.question, await introduce(host, question))
    case 'request':
      return host.answer(question.question, await request(host, question))
  }
}

async function handshake(host: QuestionHost, channel: number): Promise<Answer> {
  const event = { peer: host.peer(channel), party: host.party }
  // Passwords and invitations run in here, so it has as long as the phase lasts.
  const { handshakeDeadlineMs } = host.limits
  for (const name of ['ready', 'handshake'] as const) {
    const answer = await host.caller.ask(name, event, handshakeDeadlineMs)
    if (!answer.ok) return { about: 'handshake', agreed: false, reason: answer.code }
    if (answer.value === false) return { about: 'handshake', agreed: false, reason: 'ERR_PARTY_REJECTED' }
  }
  return { about: 'handshake', agreed: true, reason: '' }
}

async function introduce(host: QuestionHost, question: Question & { about: 'introduce' }): Promise<Answer> {
  const { introductions, channel } = question
  const first = introductions[0] as IntroductionInfo
  const message = {
    keys: introductions.flatMap(one => one.keys),
    type: first.type,
    meta: decodeMeta(first.meta),
    author: first.author,
    own: introductions.every(one => one.own),
    authorized: introductions.every(one => one.authorized),
    role: first.role,
    bundle: host.bundleOf(introductions)
  }
  const answer = await host.caller.ask('onIntroduceFeeds', {
    peer: host.peer(channel),
    party: host.party,
    message
  })
  if (!answer.ok) {
    const reason = cut(answer.code, host.limits.maxReasonBytes)
    return { about: 'introduce', verdict: 'reject', reason }
  }
  const value = verdictOf(answer.value)
  if (value === null) host.caller.wrongType('onIntroduceFeeds', answer.value)
  return { about: 'introduce', verdict: coreVerdict(value), reason: '' }
}

function coreVerdict(value: ReturnType<typeof verdictOf>): Verdict {
  if (value === undefined) return 'undecided'
  if (value === true) return 'accept'
  if (Array.isArray(value)) return { keys: value as Uint8Array[] }
  return 'reject'
}

async function request(host: QuestionHost, question: Question & { about: 'request' }): Promise<Answer> {
  const { maxFrameBytes } = host.limits
  if (host.caller.rules.onRequest === undefined) {
    return failure(host, 'ERR_PARTY_NO_HANDLER', 'requests are not handled here')
  }
  let message: PeerMessage
  try {
    message = { type: question.typeName, value: decodeValue(question.value) }
  } catch {
    return failure(host, 'ERR_PARTY_NOT_ENCODABLE', 'the value of the request cannot be decoded')
  }
  const answer = await host.caller.ask('onRequest', { peer: host.peer(question.channel), message })
  if (!answer.ok) {
    if (answer.code === 'ERR_PARTY_RULES_TIMEOUT')
      return failure(host, answer.code, 'the handler took too long')
    return failure(host, codeOf(answer.fault) ?? 'ERR_PARTY_REMOTE', messageOf(answer.fault))
  }
  const reply = answer.value as PeerMessage | null | undefined
  try {
    const value = encodeValue(reply?.value, maxFrameBytes - FRAME_OVERHEAD, 'maxFrameBytes')
    const typeName = cut(
      typeof reply?.type === 'string' ? reply.type : question.typeName,
      host.limits.maxTypeBytes
    )
    return { about: 'request', ok: true, typeName, value }
  } catch (fault) {
    return failure(host, codeOf(fault) ?? 'ERR_PARTY_REMOTE', messageOf(fault))
  }
}

function failure(host: QuestionHost, code: string, message: string): Answer {
  const { maxTypeBytes, maxErrorBytes } = host.limits
  return { about: 'request', ok: false, code: cut(code, maxTypeBytes), message: cut(message, maxErrorBytes) }
}

// By bytes: the limits of the wire count UTF-8.
function cut(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= maxBytes) return text
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\uFFFD+$/, '')
}
