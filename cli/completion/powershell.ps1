# Completion of convoke for PowerShell: convoke completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName 'convoke' -ScriptBlock {
    param($WordToComplete, $CommandAst, $CursorPosition)
    $words = @(
        $CommandAst.CommandElements |
            Select-Object -Skip 1 |
            Where-Object { $_.Extent.EndOffset -lt $CursorPosition } |
            ForEach-Object { $_.Extent.Text.Trim("'", '"') }
    )
    # Before 7.3 an empty argument is lost on the way unless it is written with its quotes.
    $current = $WordToComplete
    if ($current -eq '' -and $PSNativeCommandArgumentPassing -in $null, 'Legacy') { $current = '""' }
    $lines = @(& convoke __complete @words $current 2>$null)
    if ($lines.Count -eq 0) { return }
    $directive = [int]$lines[-1].TrimStart(':')
    $start = if ($WordToComplete -like '--*=*') { $WordToComplete -replace '=.*', '=' } else { '' }
    $space = if ($directive -band 2) { '' } else { ' ' }
    $lines | Select-Object -SkipLast 1 | ForEach-Object {
        $value, $about = $_ -split "`t", 2
        if (-not $about) { $about = $value }
        [System.Management.Automation.CompletionResult]::new("$start$value$space", $value, 'ParameterValue', $about)
    }
}
