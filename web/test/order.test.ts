import { expect, test } from "vitest";
import { orderAsText, orderOfText } from "../src/order.js";

test("an order in the address comes back, whatever a parameter is called", () => {
  const order = [
    { key: "param:a,b +-&=#", descending: true },
    { key: "seconds", descending: false },
  ];
  expect(orderOfText(orderAsText(order))).toEqual(order);
  expect(orderOfText("")).toEqual([]);
  expect(orderOfText("%,+%E0%A4%A")).toEqual([]);
});
