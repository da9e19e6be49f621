/**
 * Facts that count in memory but could not be written, as on a full disk. They are written before whatever is written next, so
 * that a deny whose revoke() rejected isn't forgotten only because memory already says what a second revoke() asks for.
 */
import type { Fact } from '../facts.js'
import type { FactLog, FactPlace } from './fact-log.js'

/** See the head of this file. */
export class OwedFacts {
  #owed: Fact[] = []

  /** @param areInForce - Do they count already, whether they can be written or not? */
  async append(log: FactLog, facts: readonly Fact[], areInForce: boolean): Promise<FactPlace[]> {
    const owed = this.#owed
    this.#owed = []
    // One by one: together they may be more than an entry holds.
    const paid = owed.map(fact => this.#write(log, [fact], true))
    const [places] = await Promise.all([this.#write(log, facts, areInForce), ...paid])
    return places
  }

  async #write(log: FactLog, facts: readonly Fact[], areInForce: boolean): Promise<FactPlace[]> {
    try {
      return await log.append(facts)
    } catch (fault) {
      if (areInForce) this.#owed.push(...facts)
      throw fault
    }
  }
}
