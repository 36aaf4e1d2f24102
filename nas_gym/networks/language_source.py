"""The text of a language model around a class ``Layer``, which the space of a cell writes."""

from nas_gym.networks.task import LanguageTask

_CLASS = '''\
State = list[tuple[{tensors}]]  # of each layer, each (batch, {hidden})


class Network(nn.Module):
    """{layers} of the cell; predicts the next of {vocabulary:,} words or characters."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding({vocabulary}, {embedding})
        self.layers = nn.ModuleList([{calls}])
        self.decoder = nn.Linear({hidden}, {vocabulary}){tie}

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return logits (time, batch, vocabulary) of tokens (time, batch), and the last state."""
        x = self.embedding(tokens)
        if state is None:
            zeros = x.new_zeros((tokens.shape[1], {hidden}))
            state = [({zeros}) for _ in self.layers]
        after: State = []
        for index, layer in enumerate(self.layers):
            x, last = layer(x, state[index])
            after.append(last)
        return self.decoder(x), after
'''


def language_model(task: LanguageTask, states: int) -> str:
    """Return the class ``Network`` of a language model in evaluation mode: nothing is dropped.

    Args:
        task: Its sizes.
        states: How many tensors the state of a layer has.
    """
    sizes = [task.embedding] + [task.hidden] * (task.layers - 1)
    return _CLASS.format(
        tensors=", ".join(["Tensor"] * states),
        hidden=task.hidden,
        layers=f"{task.layers} layer{'s'[: task.layers != 1]}",
        vocabulary=task.vocabulary,
        embedding=task.embedding,
        calls=", ".join(f"Layer({size}, {task.hidden})" for size in sizes),
        tie="\n        self.decoder.weight = self.embedding.weight" if task.tied else "",
        zeros=", ".join(["zeros"] * states) + ("," if states == 1 else ""),
    )
