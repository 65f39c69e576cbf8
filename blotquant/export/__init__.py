"""What leaves the program besides csv: the workbook, the Prism-shaped table, parquet."""
