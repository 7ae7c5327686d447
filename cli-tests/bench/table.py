"""The rows of a report: what was measured, what it is compared with, the target, and whether it is met."""


class Table:
    def __init__(self, title):
        self.rows = [('work', 'graft', 'compared with', 'ratio', 'target', '')]
        self.title = title

    def add(self, work, graft, compared='', ratio='', target='', met=None):
        verdict = '' if met is None else 'met' if met else 'NOT MET'
        self.rows.append((work, graft, compared, ratio, target, verdict))

    def show(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(6)]
        print('\n' + self.title + '\n')
        for at, row in enumerate(self.rows):
            print('| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |')
            if at == 0:
                print('|' + '|'.join('-' * (width + 2) for width in widths) + '|')
        print(flush=True)
