"""The experiment as users write it: the design, the sample sheet, the workbook, and a first draft of them."""
