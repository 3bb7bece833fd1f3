/** What a pipe manager asks of the other gateways, and tells them. Without a store there are none, and nobody is asked. */
import type { ResumeRefusal } from '../observe/vocabulary.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import type { HandedOver, HandOverOrder } from './hand-over.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import type { ResumeBinding } from './resume-session.ts';

export type Fetched =
  /** It is here now, and nowhere else: to be adopted at once. `claim` goes to `adopted`. */
  | { readonly kind: 'moved'; readonly state: HandedOver; readonly claim: number }
  /** The gateway that had it is gone, and what it had with it. A new session begins where the old one was attached. */
  | { readonly kind: 'lost'; readonly backendId: string | null }
  /** Nobody has it, or nobody gives it away. */
  | { readonly kind: 'none'; readonly reason: Exclude<ResumeRefusal, 'gateway-gone'> };

/** None of these fails. */
export interface PipeClaims {
  /**
   * The client of a pipe that begins has brought its id along: no other gateway may have it.
   * @returns false where a client of another one has it and keeps it. Takes as long as that one needs to answer; where the others cannot be
   * asked it is true, and what is wrong with it is put right later.
   */
  takeClientId(pipe: PersistentPipe): Promise<boolean>;
  /** The client is gone or going: its id is free. Idempotent. */
  freeClientId(pipe: PersistentPipe): void;
  /** This gateway has the pipe, whose client may come back; tokens that were renewed are told again. */
  held(pipe: PersistentPipe): void;
  /** What `fetch` has brought is a pipe of this gateway. */
  adopted(pipe: PersistentPipe, claim: number): void;
  /** It has closed. */
  closed(pipe: PersistentPipe): void;
  /** Gets a pipe from wherever it is. Takes as long as another gateway needs to hand it over. */
  fetch(resume: ResumeRequest, binding: ResumeBinding): Promise<Fetched>;
  /** Lets any other gateway have it. Resolves when it is over here; false = it could not be handed over, and is not changed. */
  park(pipe: PersistentPipe, order: Omit<HandOverOrder, 'maxBytes'>): Promise<boolean>;
}
