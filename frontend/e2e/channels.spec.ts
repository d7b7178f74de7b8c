import { expect, prefer, test, violations } from "./page";
import { type Receiver, receiver } from "./receiver";

const WORDS = {
  en: {
    add: "Add a channel",
    kind: "Kind",
    webhook: "Webhook",
    name: "Channel",
    url: "Address",
    header: "Add a header",
    headerName: "Name of the header",
    headerValue: "Value of the header",
    save: "Save",
    change: "Change",
    test: "Test",
    again: "Test again",
    arrived: "The test arrived",
    failed: "The test did not arrive",
    givenUp: "It was given up",
    close: "Close",
    note: "Note",
    delete: "Delete",
    sure: "Really delete it, with its messages",
    resend: "Send again",
    list: "Channels",
    messages: "Messages",
    sent: "Sent",
  },
  ko: {
    add: "채널 추가",
    kind: "종류",
    webhook: "웹훅",
    name: "채널",
    url: "주소",
    header: "헤더 추가",
    headerName: "헤더 이름",
    headerValue: "헤더 값",
    save: "저장",
    change: "변경",
    test: "시험",
    again: "다시 시험",
    arrived: "시험 메시지가 도착했습니다",
    failed: "시험 메시지가 도착하지 않았습니다",
    givenUp: "전송을 포기했습니다",
    close: "닫기",
    note: "메모",
    delete: "삭제",
    sure: "메시지와 함께 정말 삭제",
    resend: "다시 보내기",
    list: "채널",
    messages: "메시지",
    sent: "보냄",
  },
} as const;

let there: Receiver;
test.beforeAll(async () => {
  there = await receiver();
});
test.afterAll(() => there.close());

for (const [language, words] of Object.entries(WORDS)) {
  test(`a channel is added, tried, repaired, changed and removed: ${language}`, async ({
    page,
  }) => {
    await prefer(page, language, language === "ko" ? "dark" : "light");
    const name = `hook-${language}-${Date.now().toString(36)}`;
    await page.goto("/alerts?tab=channels");
    await page.getByRole("button", { name: words.add }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("combobox", { name: words.kind }).click();
    await page.getByRole("option", { name: words.webhook, exact: true }).click();
    await dialog.getByRole("textbox", { name: words.name, exact: false }).first().fill(name);
    await dialog.getByLabel(words.url, { exact: false }).first().fill(there.url);
    await dialog.getByRole("button", { name: words.header }).click();
    await dialog.getByLabel(words.headerName).fill("Authorization");
    await dialog.getByLabel(words.headerValue).fill("Bearer of-the-test");
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.save }).click();
    await expect(dialog).toBeHidden();

    const row = page
      .getByRole("table", { name: words.list })
      .getByRole("row")
      .filter({ hasText: name });
    await expect(row).toContainText("127.0.0.1");
    there.answer(204);
    await row.getByRole("button", { name: words.test, exact: true }).click();
    await dialog.getByRole("button", { name: words.test, exact: true }).click();
    await expect(dialog.getByText(words.arrived, { exact: true })).toBeVisible();
    expect(await violations(page)).toEqual([]);
    expect(there.bodies.at(-1)).toContain(name);

    there.answer(404);
    await dialog.getByRole("button", { name: words.again }).click();
    await expect(dialog.getByRole("alert")).toContainText(words.failed);
    await expect(dialog.getByRole("alert")).toContainText("127.0.0.1");
    await expect(dialog.getByRole("alert")).toContainText("404");
    await expect(dialog.getByRole("alert")).toContainText(words.givenUp);
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: words.close }).last().click();

    // What was given up is found from the channel's row, and sent again.
    await row.getByRole("link", { name: "1", exact: true }).click();
    await expect(page).toHaveURL(/state=dead/);
    there.answer(204);
    const messages = page
      .getByRole("table", { name: words.messages })
      .getByRole("row")
      .filter({ hasText: name });
    await expect(messages).toHaveCount(1);
    await messages.getByRole("button", { name: words.resend, exact: true }).click();
    await expect(messages).toHaveCount(0);
    await page.getByText(words.sent, { exact: true }).first().click();
    await expect(messages.first()).toBeVisible();
    expect(await violations(page)).toEqual([]);

    // A change keeps the secrets, and shows none.
    await page.goto("/alerts?tab=channels");
    await row.getByRole("button", { name: words.change }).click();
    await expect(dialog.getByText(/Authorization/)).toBeVisible();
    expect(await dialog.innerHTML()).not.toContain("of-the-test");
    await dialog.getByLabel(words.note).fill("for the night watch");
    await dialog.getByRole("button", { name: words.save }).click();
    await expect(dialog).toBeHidden();
    await row.getByRole("button", { name: words.change }).click();
    await expect(dialog.getByLabel(words.note)).toHaveValue("for the night watch");
    await dialog.getByRole("button", { name: words.delete }).click();
    await dialog.getByRole("button", { name: words.sure }).click();
    await expect(row).toBeHidden();
  });
}

test("an address that may not be used is refused beside its field", async ({ page }) => {
  await prefer(page, "en", "light");
  await page.goto("/alerts?tab=channels");
  await page.getByRole("button", { name: "Add a channel" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Channel" }).fill("nowhere");
  await dialog.getByLabel(/Address of the incoming webhook/).fill("https://10.0.0.1/hook");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByText(/10\.0\.0\.1 is not a public address/).first()).toBeVisible();
  const field = dialog.getByLabel(/Address of the incoming webhook/);
  await expect(field).toHaveAttribute("data-invalid", "true");
});
