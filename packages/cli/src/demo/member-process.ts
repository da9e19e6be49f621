/**
 * One member of the demo as its parent sees it: a child process that speaks in messages.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromMember, ToMember } from './messages.js'

const PROGRAM = fileURLToPath(new URL('../hearsay.js', import.meta.url))
const KILL_AFTER_MS = 3000

/** A child process that runs `hearsay demo-member`. */
export class MemberProcess {
  readonly #child: ChildProcess
  readonly #failed: Promise<never>

  /** @param flags - Passed on, so that it is as quiet or as talkative as we are. */
  constructor(flags: string[]) {
    this.#child = fork(PROGRAM, ['demo-member', ...flags], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#failed = new Promise((_, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', (code, signal) => {
        const error = new Error(
          `process ${this.#child.pid} of the demo ended early (${signal ?? `exit code ${code}`})`
        )
        reject(Object.assign(error, { code: 'ERR_DEMO_MEMBER' }))
      })
    })
    this.#failed.catch(() => {}) // whoever waits for a message hears of it
  }

  /** Tells it something. */
  send(message: ToMember): void {
    if (this.#child.connected) this.#child.send(message)
  }

  /** The next message of this type. Rejects when the process ends first, or the signal says so. */
  async next<K extends FromMember['type']>(
    type: K,
    signal: AbortSignal
  ): Promise<Extract<FromMember, { type: K }>> {
    const controller = new AbortController()
    const either = AbortSignal.any([signal, controller.signal])
    const wait = async () => {
      for (;;) {
        const [message] = (await once(this.#child, 'message', { signal: either })) as [FromMember]
        if (message.type === type) return message as Extract<FromMember, { type: K }>
      }
    }
    try {
      return await Promise.race([wait(), this.#failed])
    } finally {
      controller.abort()
    }
  }

  /**
   * Asks it to leave, and makes sure that it goes.
   *
   * @param isHurried - Don't ask: what it has is thrown away in any case.
   */
  async stop(isHurried: boolean): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    if (isHurried) this.#child.kill('SIGKILL')
    this.send({ type: 'leave' })
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS)
    await gone
    clearTimeout(timer)
  }
}
