/** Attributes of spans and of who sends them. */
import { AnyValue, KeyValue } from "../api/gen/trace.ts";

export function textAttribute(key: string, value: string): KeyValue {
  return KeyValue.create({
    key,
    value: AnyValue.create({ value: { case: "stringValue", value } }),
  });
}

/** `value` is an integer. */
export function numberAttribute(key: string, value: number): KeyValue {
  return KeyValue.create({ key, value: AnyValue.create({ value: { case: "intValue", value } }) });
}
