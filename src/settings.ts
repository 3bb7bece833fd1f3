/** What the schemas of settings are made of. */
import { type TSchema, Type } from 'typebox';

/** An object whose every key has a default, so that it may be left out whole or in part. */
export function section<P extends Record<string, TSchema>>(properties: P, description: string) {
  return Type.Object(properties, { additionalProperties: false, description, default: {} });
}
export const count = (value: number, description: string, minimum = 0) =>
  Type.Integer({ default: value, minimum, description });
/** Milliseconds, at most a day. */
export const ms = (value: number, description: string, minimum = 0) =>
  Type.Integer({ default: value, minimum, maximum: 86_400_000, description });
/** The first is the default. */
export const oneOf = <const T extends string[]>(values: readonly [...T], description: string) =>
  Type.Enum([...values] as [...T], { default: values[0] as string, description });
