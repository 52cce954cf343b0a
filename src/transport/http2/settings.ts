/** SETTINGS payloads (RFC 9113 6.5). */
import { MAX_FRAME_BYTES, MAX_WINDOW_BYTES } from "../limits.ts";
import {
  FLOW_CONTROL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_FRAME_SIZE,
} from "./constants.ts";

export const SETTING_BYTES = 6;

export function encodeSettings(
  settings: readonly (readonly [id: number, value: number])[],
): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * SETTING_BYTES);
  settings.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * SETTING_BYTES);
    payload.writeUInt32BE(value, i * SETTING_BYTES + 2);
  });
  return payload;
}

/** The connection error that a value asks for, or NO_ERROR. `fromServer`: who sent it. */
export function settingError(id: number, value: number, fromServer: boolean): number {
  switch (id) {
    case SETTINGS_ENABLE_PUSH:
      return value > (fromServer ? 0 : 1) ? PROTOCOL_ERROR : NO_ERROR;
    case SETTINGS_INITIAL_WINDOW_SIZE:
      return value > MAX_WINDOW_BYTES ? FLOW_CONTROL_ERROR : NO_ERROR;
    case SETTINGS_MAX_FRAME_SIZE:
      return value < MAX_FRAME_BYTES || value > 0xff_ffff ? PROTOCOL_ERROR : NO_ERROR;
    default:
      return NO_ERROR;
  }
}
