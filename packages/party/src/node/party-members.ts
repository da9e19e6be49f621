/**
 * The part of a Party that is about members: who is admitted, invited, removed, and what an admin says of feeds.
 */
import { EventEmitter } from 'eventemitter3'
import { keyBytes } from '../key.js'
import type {
  AdmitOptions,
  AuthorizeOptions,
  Capability,
  InviteLinkOptions,
  Key,
  PartyEvents,
  PartyPeer,
  RemoveOptions,
  WaitOptions
} from '../types.js'
import type { MemberFacts } from './member-facts.js'

/** What `Party` inherits. */
export abstract class PartyMembers extends EventEmitter<PartyEvents> {
  /** Opens the set. */
  abstract ready(): Promise<void>

  /** Who carries it out. */
  protected abstract memberFacts(): MemberFacts

  /**
   * Authorizes a feed here, and tells all members as an admin of the party: their rules are asked about it. With a version
   * above a revocation it takes that back.
   *
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_BAD_OPTION`; {PartyError} `ERR_PARTY_NOT_AUTHORIZED`:
   * we are no admin; `ERR_PARTY_STORAGE`.
   */
  async authorize(key: Key, options: AuthorizeOptions = {}): Promise<void> {
    const bytes = keyBytes(key)
    await this.ready()
    await this.memberFacts().authorize(bytes, options)
  }

  /**
   * Admits a member, signed by us. Needs the capability 'invite' and a depth above the one that is given.
   *
   * @param author - Author key of the member.
   * @returns The chain from the founder down: option `credential` of the member's party.
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_BAD_OPTION`; {PartyError} `ERR_PARTY_NOT_AUTHORIZED`:
   * we may not admit anybody to that; `ERR_PARTY_STORAGE`.
   */
  async admit(author: Key, options: AdmitOptions = {}): Promise<Uint8Array> {
    const bytes = keyBytes(author)
    await this.ready()
    return this.memberFacts().admit(bytes, options)
  }

  /**
   * Makes an invite link: whoever holds it may join, as option `invite` of a new Party. It is a secret.
   *
   * By default one person may use it, and needs to meet us or an admin to do so. With `uses: 0` anybody may, and nobody
   * needs to be online; but the members that came by it hang on it: when it expires, they are members no more. To recall a
   * link pass it to `remove()`.
   *
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`; {PartyError} `ERR_PARTY_NOT_AUTHORIZED`: we may not admit
   * anybody to that, or the party has no founder; `ERR_PARTY_STORAGE`.
   *
   * @example
   * const link = await party.invite({ capabilities: ['read', 'write'] })
   * const guest = new Party({ invite: link, storage: './guest' }) // somewhere else
   * guest.join(swarm)
   * await guest.admitted()
   */
  async invite(options: InviteLinkOptions = {}): Promise<string> {
    await this.ready()
    return this.memberFacts().invite(options)
  }

  /**
   * Waits until we are a member: the founder, or admitted by a chain of admissions. With option `invite` that takes a peer
   * that can redeem it, unless the invite is unlimited.
   *
   * @throws {PartyError} `ERR_PARTY_INVITE_USED`, `ERR_PARTY_INVITE_INVALID`: the invite admits nobody; `ERR_PARTY_TIMEOUT`
   * after `timeoutMs`, `ERR_PARTY_CLOSED`; the reason of `signal`.
   */
  async admitted(options: WaitOptions = {}): Promise<void> {
    await this.ready()
    return this.memberFacts().admitted(options)
  }

  /**
   * Takes a member out, with everything that hangs on its admissions, or recalls an invite; and tells all members. Resolves
   * when it is durable. Its feeds end at the length that we know: nothing is taken that is signed later. Blocks that others
   * hold can't be recalled, and the member still knows the party key.
   *
   * @param who - Author key of the member, or an invite link.
   * @throws {TypeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_INVITE_INVALID`; {PartyError} `ERR_PARTY_NOT_AUTHORIZED`: we are no
   * admin, or it is the founder; `ERR_PARTY_STORAGE`.
   */
  async remove(who: Key, options: RemoveOptions = {}): Promise<void> {
    await this.ready()
    await this.memberFacts().remove(who, options)
  }

  /** What the chains of admissions allow this author, as far as it is known here; the founder everything, a stranger nothing. */
  capabilitiesOf(author: Key): readonly Capability[] {
    return this.memberFacts().capabilitiesOf(keyBytes(author))
  }

  /** As capabilitiesOf(), of a peer; of one that holds an invite once it has redeemed it, or failed to. For rules. */
  admission(peer: PartyPeer): Promise<readonly Capability[]> {
    return this.memberFacts().admission(peer)
  }
}
