/**
 * Calls the app's rules: bound to their object, with a deadline, and with whatever they throw turned into a refusal.
 *
 * A rule is the app's code: it never runs inside a guard of the transport, and its fault is told as a warning, once per
 * rule and minute, never as the peer's. `PartyError`s of a rule are meant: their code is the reason, without a warning.
 */
import { PartyError, typeError } from '../errors.js'
import { parseKey } from '../key.js'
import type { IntroduceVerdict, Key, PartyRules } from '../types.js'

/** Methods that are asked and answer. */
export type RuleName =
  | 'ready'
  | 'handshake'
  | 'findFeed'
  | 'onIntroduceFeeds'
  | 'onRequest'
  | 'onEphemeralMessage'

/** Answer of a rule, or why it refused. */
export type RuleAnswer = { ok: true; value: unknown } | { ok: false; code: string; fault: unknown }

const METHODS = [
  'share',
  'ready',
  'handshake',
  'findFeed',
  'onIntroduceFeeds',
  'onRequest',
  'onEphemeralMessage',
  'admin'
] as const
const WARN_EVERY_MS = 60_000

/**
 * Are these rules?
 *
 * @throws {TypeError} `ERR_PARTY_BAD_OPTION`: no object, or a method that isn't one.
 */
export function checkRules(rules: unknown): asserts rules is PartyRules {
  if (typeof rules !== 'object' || rules === null) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'rules is an object of methods')
  }
  for (const method of METHODS) {
    const value = (rules as Record<string, unknown>)[method]
    if (value !== undefined && typeof value !== 'function') {
      throw typeError('ERR_PARTY_BAD_OPTION', `rules.${method} is a ${typeof value}, it must be a function`)
    }
  }
}

/** Asks the rules that are in force. */
export class RuleCaller {
  rules: PartyRules
  readonly #timeoutMs: number
  readonly #warn: (error: PartyError) => void
  readonly #warnedAtMs = new Map<string, number>()
  /** Questions without an answer; bounded by those who ask. */
  readonly #waiting = new Set<(answer: RuleAnswer) => void>()
  #isClosed = false

  constructor(rules: PartyRules, options: { timeoutMs: number; warn(error: PartyError): void }) {
    this.rules = rules
    this.#timeoutMs = options.timeoutMs
    this.#warn = options.warn
  }

  /** Asks one rule; a missing one answers undefined. Never rejects. `timeoutMs` instead of the usual time. */
  async ask(name: RuleName, query: unknown, timeoutMs = this.#timeoutMs): Promise<RuleAnswer> {
    const { rules } = this
    if (this.#isClosed) return closedAnswer()
    const method = rules[name] as ((query: unknown) => unknown) | undefined
    if (method === undefined) return { ok: true, value: undefined }
    let timer: NodeJS.Timeout | undefined
    let giveUp: (answer: RuleAnswer) => void = () => {}
    const late = new Promise<RuleAnswer>(resolve => {
      giveUp = resolve
      const answer: RuleAnswer = { ok: false, code: 'ERR_PARTY_RULES_TIMEOUT', fault: null }
      timer = setTimeout(() => resolve(answer), timeoutMs)
    })
    this.#waiting.add(giveUp)
    const answered = (async (): Promise<RuleAnswer> => {
      try {
        return { ok: true, value: await method.call(rules, query) }
      } catch (fault) {
        return { ok: false, code: codeOf(fault) ?? 'ERR_PARTY_REJECTED', fault }
      }
    })()
    const answer = await Promise.race([answered, late])
    clearTimeout(timer)
    this.#waiting.delete(giveUp)
    if (!answer.ok) this.#report(name, answer)
    return answer
  }

  /** Waits for no rule any more, and asks none: one that hangs must not hold up the process that closed its party. */
  close(): void {
    this.#isClosed = true
    for (const giveUp of this.#waiting) giveUp(closedAnswer())
  }

  /** A synchronous yes or no; `otherwise` if there is no such rule, no if it throws. */
  askNow(name: 'share' | 'admin', query: unknown, otherwise: boolean): boolean {
    const method = this.rules[name] as ((query: unknown) => unknown) | undefined
    if (method === undefined) return otherwise
    try {
      const answer = method.call(this.rules, query)
      if (typeof answer === 'boolean') return answer
      this.wrongType(name, answer)
      // An asynchronous one: it is refused, and what it rejects with is nobody's.
      if (answer instanceof Promise) answer.catch(() => {})
    } catch (fault) {
      this.#report(name, { code: 'ERR_PARTY_REJECTED', fault })
    }
    return false
  }

  /** A rule answered with something that it can't. */
  wrongType(name: string, value: unknown): void {
    const what = value instanceof Promise ? 'promise' : typeof value
    this.#report(name, { code: 'ERR_PARTY_REJECTED', fault: new TypeError(`it answered a ${what}`) })
  }

  #report(name: string, { code, fault }: { code: string; fault: unknown }): void {
    if (fault instanceof PartyError) return
    const nowMs = performance.now()
    const last = this.#warnedAtMs.get(name)
    if (last !== undefined && nowMs - last < WARN_EVERY_MS) return
    this.#warnedAtMs.set(name, nowMs)
    const why = code === 'ERR_PARTY_RULES_TIMEOUT' ? 'took too long' : `threw: ${messageOf(fault)}`
    this.#warn(new PartyError('WARN_PARTY_RULE_THREW', `rules.${name} ${why}`, { cause: fault }))
  }
}

function closedAnswer(): RuleAnswer {
  const code = 'ERR_PARTY_CLOSED'
  return { ok: false, code, fault: new PartyError(code, 'the party is closed') }
}

/** What a rule said to an introduction; null: nothing that it may say. */
export function verdictOf(value: unknown): IntroduceVerdict | null | Uint8Array[] {
  if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined
  if (!Array.isArray(value)) return null
  const keys = value.map(key => parseKey(isKeyed(key) ? key.key : (key as Key)))
  return keys.every(key => key !== null) ? keys : null
}

/** `code` of an error, if it has one. */
export function codeOf(fault: unknown): string | null {
  const code = (fault as { code?: unknown } | null)?.code
  return typeof code === 'string' && code.length > 0 ? code : null
}

/** Text of whatever was thrown. */
export function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault)
}

function isKeyed(value: unknown): value is { key: Key } {
  return typeof value === 'object' && value !== null && 'key' in value && !(value instanceof Uint8Array)
}
