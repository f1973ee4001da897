// The tags of a study; who may change it adds and removes them here.
import { useState } from "preact/hooks";
import { act, mayAct } from "../actions.js";
import { Chip } from "../components/parts.js";
import { visible } from "../format.js";

export function Tags({ study, tags }: { study: number; tags: readonly string[] }) {
  const remove = (tag: string) =>
    void act(study, "tag", { names: [tag], has: false }, `The tag ${visible(tag)} is gone.`, ["tag", { names: [tag] }]);
  return (
    <span class="chips">
      {tags.map((tag) => (
        <Chip key={tag} onRemove={mayAct.value ? () => remove(tag) : undefined}>
          {visible(tag)}
        </Chip>
      ))}
      {mayAct.value && <NewTag study={study} />}
    </span>
  );
}

function NewTag({ study }: { study: number }) {
  const [typed, setTyped] = useState<string | null>(null);
  if (typed === null)
    return (
      <button type="button" class="quiet" onClick={() => setTyped("")}>
        add tag
      </button>
    );
  const add = async (event: Event) => {
    event.preventDefault();
    const names = [typed.trim()];
    if (await act(study, "tag", { names }, `Tagged ${visible(names[0])}.`, ["tag", { names, has: false }]))
      setTyped(null);
  };
  return (
    <form class="chips" onSubmit={add}>
      <input
        aria-label="New tag"
        required
        maxLength={60}
        size={14}
        value={typed}
        ref={(box) => box?.focus()}
        onInput={(e) => setTyped(e.currentTarget.value)}
        onKeyDown={(e) => e.key === "Escape" && setTyped(null)}
      />
      <button type="submit">Add</button>
    </form>
  );
}
